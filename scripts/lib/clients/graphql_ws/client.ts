// graphql-ws as docs/guide/live.md sets it: the last value equals a query, also after the connection was cut.

import assert from "node:assert/strict";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { outage } from "../outage.js";
import { BEARER, EVE, GROUPS, KEY, NOW, rejection, URL_OF_SERVICE } from "../service.js";

interface Moment {
    position: number;
    connectedUsersIndicator: { connectedUsersCount: number };
}

const FIELDS = `{position connectedUsersIndicator(groupIds:[${GROUPS.join()}]){connectedUsersCount}}`;
const FINAL = [4400, 4401, 4403, 4406, 4409, 4429];

const { url, cut, end } = await outage();
let pings = 0;
const client = createClient({
    url: `${url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: () => ({ authorization: `Bearer ${KEY}` }),
    retryAttempts: Infinity,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 200)),
    shouldRetry: (event) => !FINAL.includes((event as { code?: number }).code ?? 0),
    on: { ping: (received) => void (pings += Number(received)) },
});

const ask = async <T>(method: string, path: string, body: unknown): Promise<T> => {
    const headers = { ...BEARER, "content-type": "application/json" };
    const answer = await fetch(URL_OF_SERVICE + path, { method, headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200);
    return (await answer.json()) as T;
};
const post = async (id: string): Promise<void> => {
    await ask("POST", "/v1/events", [{ ...EVE, specversion: "1.0", id, time: NOW }]);
};

const seen: Moment[] = [];
const errors: unknown[] = [];
client.subscribe<{ live: Moment }>(
    { query: `subscription{live${FIELDS}}` },
    {
        next: ({ data, errors: failed }) => {
            assert.equal(failed, undefined);
            if (data) seen.push(data.live);
        },
        error: (error) => errors.push(error),
        complete: () => {},
    },
);
const reach = async (count: number): Promise<void> => {
    for (let n = 0; n < 200 && seen.at(-1)?.connectedUsersIndicator.connectedUsersCount !== count; n++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(seen.at(-1)?.connectedUsersIndicator.connectedUsersCount, count, JSON.stringify([seen, errors]));
};
await reach(3);
const outageEnds = cut(1_000);
await post("live-1");
await outageEnds;
await reach(4);

const { data } = await ask<{ data: { now: Moment } }>("POST", "/graphql", { query: `{now${FIELDS}}` });
assert.deepEqual(seen.at(-1), data.now);
const positions = seen.map((moment) => moment.position);
assert.deepEqual(positions, [...positions].sort((one, other) => one - other));

const first = async (query: string): Promise<unknown> => {
    for await (const answer of client.iterate({ query })) return answer;
    return undefined;
};
assert.deepEqual(await first(`{now${FIELDS}}`), { data });
assert.match(JSON.stringify(await rejection("it", () => first("subscription{live{nothing}}"))), /nothing/);
// While nothing differs.
for (let n = 0; n < 100 && pings === 0; n++) await new Promise((resolve) => setTimeout(resolve, 50));
assert(pings > 0);
assert.deepEqual(errors, []);
await client.dispose();
end();
console.log("graphql-ws: 8 checks");
