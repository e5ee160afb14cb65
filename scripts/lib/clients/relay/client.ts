// Relay: the network layer of its guide, the artefacts of relay-compiler, and its store. Ids of users are integers
// here, as the vendor has them, and those of Relay's store are texts: where a document has one, `getDataID` makes them
// texts.

import assert from "node:assert/strict";

import {
    commitMutation,
    Environment,
    fetchQuery,
    Network,
    RecordSource,
    Store,
    type FetchFunction,
    type GraphQLResponse,
} from "relay-runtime";

import { BEARER, GROUPS, recorder, rejection, URL_OF_SERVICE } from "../service.js";
import Closed, { type documentsClosedQuery } from "./generated/documentsClosedQuery.graphql.js";
import Connected, { type documentsConnectedQuery } from "./generated/documentsConnectedQuery.graphql.js";
import Switch, { type documentsSwitchMutation } from "./generated/documentsSwitchMutation.graphql.js";

const { sent, fetch } = recorder();
const fetchGraphQL: FetchFunction = async (request, variables) => {
    const answer = await fetch(`${URL_OF_SERVICE}/graphql`, {
        method: "POST",
        headers: {
            ...BEARER,
            "Content-Type": "application/json",
            Accept: "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
        },
        body: JSON.stringify({ query: request.text, variables }),
    });
    return (await answer.json()) as GraphQLResponse;
};
const network = Network.create(fetchGraphQL);
const defaults = new Environment({ network, store: new Store(new RecordSource()) });
const environment = new Environment({
    network,
    store: new Store(new RecordSource()),
    getDataID: (record, type) => (record["id"] === undefined ? undefined : `${type}:${String(record["id"])}`),
});

const indicator = await fetchQuery<documentsConnectedQuery>(defaults, Connected, { groups: GROUPS }).toPromise();
assert.equal(indicator?.connectedUsersIndicator.connectedUsersCount, 3);
assert.equal(
    (await fetchQuery<documentsConnectedQuery>(defaults, Connected, {}).toPromise())?.connectedUsersIndicator
        .connectedUsersCount,
    4,
);

const interval = { from: "2019-01-04T00:00:00Z", to: "2019-01-04T23:59:59Z" };
const seen: string[] = [];
for (let after: string | null | undefined, more = true; more; ) {
    const page = await fetchQuery<documentsClosedQuery>(environment, Closed, { interval, first: 2, after }).toPromise();
    assert(page, "a page is there");
    for (const { node } of page.closedConversations.edges) {
        seen.push(node.id);
        assert.deepEqual(
            node.contacts.map((contact) => [contact.ending, contact.user.id, contact.user.lastName]),
            [
                ["SNOOZED", 101, "Ann"],
                ["CLOSED", 101, "Ann"],
            ],
        );
    }
    ({ endCursor: after, hasNextPage: more } = page.closedConversations.pageInfo);
}
assert.equal(seen.length, 3);

const switched = await new Promise<documentsSwitchMutation["response"]>((resolve, reject) => {
    commitMutation<documentsSwitchMutation>(defaults, {
        mutation: Switch,
        variables: { input: { userId: 101, channel: "CHAT", status: "UNAVAILABLE" } },
        onCompleted: resolve,
        onError: reject,
    });
});
assert.equal(switched.userAvailabilityStatusUpdate?.user?.availability?.chat.isAvailable, false);

// What the guide of GraphQL says of the defaults.
const integer = await rejection("an integer id", () =>
    fetchQuery<documentsClosedQuery>(defaults, Closed, { interval }).toPromise(),
);
assert.match(String(integer), /id on field `user` to be a string/);

// Relay throws where an answer has no data, with the texts of its errors.
const long = await rejection("a page of 101", () =>
    fetchQuery<documentsClosedQuery>(environment, Closed, { interval, first: 101 }).toPromise(),
);
assert.match(String(long), /first/);
assert(sent.every((request) => request.method === "POST"));
console.log("Relay: 9 checks");
