// graphql-request in its defaults and with GET. It can also send several documents at once, which the service refuses.

import assert from "node:assert/strict";

import { ClientError, gql, GraphQLClient } from "graphql-request";

import { ClosedDocument, ConnectedDocument, SwitchDocument } from "../apollo/generated.js";
import { BEARER, GROUPS, rejection, URL_OF_SERVICE } from "../service.js";

const url = `${URL_OF_SERVICE}/graphql`;
const client = new GraphQLClient(url, { headers: BEARER });
const getter = new GraphQLClient(url, { headers: BEARER, method: "GET" });

for (const one of [client, getter]) {
    assert.equal(
        (await one.request(ConnectedDocument, { groups: GROUPS })).connectedUsersIndicator.connectedUsersCount,
        3,
    );
    assert.equal((await one.request(ConnectedDocument, {})).connectedUsersIndicator.connectedUsersCount, 4);
    const invalid = await rejection("an unknown field", () =>
        one.request(gql`
            {
                connectedUsersIndicator {
                    nothing
                }
            }
        `),
    );
    assert(invalid instanceof ClientError, String(invalid));
    assert.equal(invalid.response.status, 400);
    assert.match(String(invalid.response.errors?.[0]?.message), /nothing/);
}

const input = { userId: 101, channel: "CHAT", status: "UNAVAILABLE" } as const;
const { userAvailabilityStatusUpdate: changed } = await client.request(SwitchDocument, { input });
assert.equal(changed?.user?.availability?.chat.isAvailable, false);

const interval = { from: "2019-01-04T00:00:00Z", to: "2019-01-04T23:59:59Z" };
const long = await rejection("a page of 101", () => client.request(ClosedDocument, { interval, first: 101 }));
assert(long instanceof ClientError, String(long));
assert.equal(long.response.errors?.[0]?.extensions?.["name"], "INVALID_ARGUMENT");

const batch = await rejection("a batch", () =>
    client.batchRequests([{ document: "{__typename}" }, { document: "{__typename}" }]),
);
assert.match(String(batch), /400/);
assert.match(String(batch), /batch/i, "the reason is in the error");
console.log("graphql-request: 14 checks");
