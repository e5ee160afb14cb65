// urql with subscriptions over graphql-ws: the last value equals a query, also after the connection was cut.

import assert from "node:assert/strict";

import { Client, subscriptionExchange } from "@urql/core";

import { connect } from "../graphql_ws/connect.js";
import { errors, type Moment, QUERY, sink, SUBSCRIPTION, throughOutage } from "../live.js";
import { outage } from "../outage.js";

const { url, cut, end } = await outage();
const socket = connect(url);
const client = new Client({
    url: `${url}/graphql`,
    exchanges: [
        subscriptionExchange({
            enableAllOperations: true,
            forwardSubscription: ({ query, variables }) => ({
                subscribe: (observer) => {
                    const request = { query: query ?? "", variables: variables as Record<string, unknown> };
                    return { unsubscribe: socket.subscribe(request, observer) };
                },
            }),
        }),
    ],
});

const { unsubscribe } = client.subscription<{ live: Moment }>(SUBSCRIPTION, {}).subscribe(({ data, error }) => {
    assert.equal(error, undefined, String(error));
    sink.next({ data: data ?? null });
});
const answer = await throughOutage(cut);

const queried = await client.query<{ now: Moment }>(QUERY, {});
assert.deepEqual(queried.data?.now.position, answer.data.now.position, String(queried.error));
const invalid = await new Promise((resolve) => {
    client.subscription("subscription{live{nothing}}", {}).subscribe(({ error }) => resolve(error));
});
assert.match(String(invalid), /nothing/);
assert.deepEqual(errors, []);
unsubscribe();
await socket.dispose();
end();
console.log("urql, subscriptions: 6 checks");
