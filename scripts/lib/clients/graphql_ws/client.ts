// graphql-ws as docs/guide/live.md sets it: the last value equals a query, also after the connection was cut.

import assert from "node:assert/strict";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { compared, connectOne, errors, first, type Moment, QUERY, reach, SUBSCRIPTION, seen, sink } from "../live.js";
import { outage } from "../outage.js";
import { KEY, rejection } from "../service.js";

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

client.subscribe<{ live: Moment }>({ query: SUBSCRIPTION }, sink);
await reach(3);
const outageEnds = cut(1_000);
await connectOne();
await outageEnds;
await reach(4);
const answer = await compared();
const positions = seen.map((moment) => moment.position);
assert.deepEqual(positions, [...positions].sort((one, other) => one - other));

assert.deepEqual(await first(client.iterate({ query: QUERY })), { data: answer.data });
const invalid = await rejection("it", () => first(client.iterate({ query: "subscription{live{nothing}}" })));
assert.match(JSON.stringify(invalid), /nothing/);
// While nothing differs.
for (let n = 0; n < 100 && pings === 0; n++) await new Promise((resolve) => setTimeout(resolve, 50));
assert(pings > 0);
assert.deepEqual(errors, []);
await client.dispose();
end();
console.log("graphql-ws: 8 checks");
