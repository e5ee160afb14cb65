// graphql-ws as docs/guide/live.md sets it: the last value equals a query, also after the connection was cut.

import assert from "node:assert/strict";

import { errors, first, type Moment, QUERY, seen, sink, SUBSCRIPTION, throughOutage } from "../live.js";
import { outage } from "../outage.js";
import { rejection } from "../service.js";
import { connect } from "./connect.js";

const { url, cut, end } = await outage();
let pings = 0;
const client = connect(url, () => pings++);

client.subscribe<{ live: Moment }>({ query: SUBSCRIPTION }, sink);
const answer = await throughOutage(cut);
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
