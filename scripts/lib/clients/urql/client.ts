// urql in its defaults, in which queries are sent by GET as long as the URL is short, and mutations by POST.

import assert from "node:assert/strict";

import { Client, fetchExchange, gql } from "@urql/core";

import { ClosedDocument, ConnectedDocument, SwitchDocument } from "../apollo/generated.js";
import { BEARER, GROUPS, recorder, URL_OF_SERVICE } from "../service.js";

const { sent, fetch } = recorder();
const client = new Client({
    url: `${URL_OF_SERVICE}/graphql`,
    fetch,
    fetchOptions: { headers: BEARER },
    exchanges: [fetchExchange],
});

const count = await client.query(ConnectedDocument, { groups: GROUPS });
assert.equal(count.error, undefined, String(count.error));
assert.equal(count.data?.connectedUsersIndicator.connectedUsersCount, 3);
assert.equal((await client.query(ConnectedDocument, {})).data?.connectedUsersIndicator.connectedUsersCount, 4);

const input = { userId: 101, channel: "CHAT", status: "UNAVAILABLE" } as const;
const change = await client.mutation(SwitchDocument, { input });
assert.equal(
    change.data?.userAvailabilityStatusUpdate?.user?.availability?.chat.isAvailable,
    false,
    String(change.error),
);

const invalid = await client.query(gql("{connectedUsersIndicator{nothing}}"), {});
assert.match(String(invalid.error?.message), /nothing/);
const interval = { from: "2019-01-04T00:00:00Z", to: "2019-01-04T23:59:59Z" };
const long = await client.query(ClosedDocument, { interval, first: 101 });
assert.equal(long.error?.graphQLErrors[0]?.extensions["name"], "INVALID_ARGUMENT", String(long.error));

// Longer than the 2,048 bytes up to which urql uses GET.
const many = await client.query(ConnectedDocument, {
    groups: [...GROUPS, ...Array.from({ length: 450 }, (_, n) => 1000 + n)],
});
assert.equal(many.data?.connectedUsersIndicator.connectedUsersCount, 3, String(many.error));
assert.deepEqual(
    sent.map((request) => request.method),
    ["GET", "GET", "POST", "GET", "GET", "POST"],
);
console.log("urql: 8 checks");
