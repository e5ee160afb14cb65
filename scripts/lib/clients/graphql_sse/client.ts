// graphql-sse with distinct connections: the last value equals a query, also after the connection was cut.

import assert from "node:assert/strict";

import { createClient } from "graphql-sse";

import { errors, first, type Moment, QUERY, sink, SUBSCRIPTION, throughOutage } from "../live.js";
import { outage } from "../outage.js";
import { BEARER } from "../service.js";

const { url, cut, end } = await outage();
const client = createClient({
    url: `${url}/graphql`,
    headers: BEARER,
    retryAttempts: Infinity,
    retry: () => new Promise((resolve) => setTimeout(resolve, 200)),
});

client.subscribe<{ live: Moment }>({ query: SUBSCRIPTION }, sink);
const answer = await throughOutage(cut);

assert.deepEqual(await first(client.iterate({ query: QUERY })), { data: answer.data });
assert.match(JSON.stringify(await first(client.iterate({ query: "subscription{live{nothing}}" }))), /nothing/);
assert.deepEqual(errors, []);
client.dispose();
end();
console.log("graphql-sse: 6 checks");
