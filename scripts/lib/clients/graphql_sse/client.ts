// graphql-sse with distinct connections: the last value equals a query, also after the connection was cut.

import assert from "node:assert/strict";

import { createClient } from "graphql-sse";

import { outage } from "../outage.js";
import { BEARER, EVE, GROUPS, NOW, URL_OF_SERVICE } from "../service.js";

interface Moment {
    position: number;
    connectedUsersIndicator: { connectedUsersCount: number };
}

const FIELDS = `{position connectedUsersIndicator(groupIds:[${GROUPS.join()}]){connectedUsersCount}}`;

const { url, cut, end } = await outage();
const client = createClient({
    url: `${url}/graphql`,
    headers: BEARER,
    retryAttempts: Infinity,
    retry: () => new Promise((resolve) => setTimeout(resolve, 200)),
});

const ask = async <T>(method: string, path: string, body: unknown): Promise<T> => {
    const headers = { ...BEARER, "content-type": "application/json" };
    const answer = await fetch(URL_OF_SERVICE + path, { method, headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200);
    return (await answer.json()) as T;
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
await ask("POST", "/v1/events", [{ ...EVE, specversion: "1.0", id: "live-1", time: NOW }]);
await outageEnds;
await reach(4);

const { data } = await ask<{ data: { now: Moment } }>("POST", "/graphql", { query: `{now${FIELDS}}` });
assert.deepEqual(seen.at(-1), data.now);

const first = async (query: string): Promise<unknown> => {
    for await (const answer of client.iterate({ query })) return answer;
    return undefined;
};
assert.deepEqual(await first(`{now${FIELDS}}`), { data });
assert.match(JSON.stringify(await first("subscription{live{nothing}}")), /nothing/);
assert.deepEqual(errors, []);
client.dispose();
end();
console.log("graphql-sse: 6 checks");
