// Apollo's client with subscriptions over graphql-ws: the last value equals a query, also after the connection was cut.

import assert from "node:assert/strict";

import { ApolloClient, gql, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import WebSocket from "ws";

import { connect } from "../graphql_ws/connect.js";
import { errors, type Moment, QUERY, sink, SUBSCRIPTION, throughOutage } from "../live.js";
import { outage } from "../outage.js";

// The link compares errors with the browser's class.
Object.assign(globalThis, { WebSocket });

const { url, cut, end } = await outage();
const socket = connect(url);
const client = new ApolloClient({
    link: new GraphQLWsLink(socket),
    cache: new InMemoryCache(),
    defaultOptions: { query: { fetchPolicy: "no-cache" } },
});

const live = client.subscribe<{ live: Moment }>({ query: gql(SUBSCRIPTION), fetchPolicy: "no-cache" });
const subscription = live.subscribe({
    next: ({ data, error }) => {
        assert.equal(error, undefined);
        // The cache adds the names of types to each document.
        const text = JSON.stringify(data ?? null, (name, value: unknown) => (name === "__typename" ? undefined : value));
        sink.next({ data: JSON.parse(text) as { live: Moment } | null });
    },
    error: sink.error,
});
const answer = await throughOutage(cut);

const queried = await client.query<{ now: Moment }>({ query: gql(QUERY) });
assert.equal(queried.data?.now.connectedUsersIndicator.connectedUsersCount, 4);
assert.equal(queried.data?.now.position, answer.data.now.position);
const invalid = await new Promise((resolve) => {
    const wrong = client.subscribe({ query: gql("subscription{live{nothing}}"), fetchPolicy: "no-cache" });
    wrong.subscribe({ next: ({ error }) => resolve(error), error: resolve });
});
assert.match(String(invalid), /nothing/);
assert.deepEqual(errors, []);
subscription.unsubscribe();
await socket.dispose();
end();
console.log("Apollo's client, subscriptions: 7 checks");
