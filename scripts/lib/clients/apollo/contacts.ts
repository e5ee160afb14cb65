// Apollo's client in its defaults, with the types that graphql-codegen generates from the schema's file: a query that
// does not fit the schema does not compile. Then with GET for queries, and its errors.

import assert from "node:assert/strict";

import { ApolloClient, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from "@apollo/client";

import { BEARER, CONVERSATION, GROUPS, recorder, rejection, RULE, URL_OF_SERVICE } from "../service.js";
import {
    ClosedDocument,
    ConnectedDocument,
    ContactsDocument,
    EscalateDocument,
    ProjectsDocument,
    SwitchDocument,
    type UserAvailabilityStatus,
} from "./generated.js";

const uri = `${URL_OF_SERVICE}/graphql`;

const client = new ApolloClient({
    link: new HttpLink({ uri, headers: BEARER }),
    cache: new InMemoryCache({
        possibleTypes: { User: ["Professional", "Developer", "Expert", "Bot"], Message: ["SystemMessage", "TextMessage"] },
    }),
    defaultOptions: { query: { fetchPolicy: "no-cache" } },
});

const contacts = (await client.query({ query: ContactsDocument, variables: { id: CONVERSATION } })).data?.conversation;
assert(contacts, "the conversation is there");
assert.deepEqual(
    contacts.contacts.map((contact) => [contact.start, contact.end, contact.ending, contact.user.id]),
    [
        ["2019-01-04T11:00:01Z", "2019-01-04T11:00:05Z", "SNOOZED", 101],
        ["2019-01-04T11:05:05Z", "2019-01-04T11:10:00Z", "CLOSED", 101],
    ],
);
assert.deepEqual(
    contacts.messages.edges.map(({ node }) => (node.__typename === "SystemMessage" ? node.attachment.__typename : null)),
    [
        "ConversationPushedSystemAttachment",
        "ConversationSnoozedSystemAttachment",
        "ConversationPushedSystemAttachment",
        "ConversationClosedSystemAttachment",
    ],
);

assert.equal(contacts.duration, "PT10M");
assert.deepEqual(
    contacts.users.map((user) => user.id),
    [101],
);

const projects = (await client.query({ query: ProjectsDocument })).data?.projects;
assert.deepEqual(
    projects?.edges.map(({ node }) => [node.id, node.name]),
    [[7, "Retail"]],
);

const interval = { from: "2019-01-04T00:00:00Z", to: "2019-01-04T23:59:59Z" };
const seen: string[] = [];
let after: string | null | undefined;
do {
    const page = (await client.query({ query: ClosedDocument, variables: { interval, first: 1, after } })).data
        ?.closedConversations;
    assert(page, "a page is there");
    seen.push(...page.edges.map((edge) => edge.node.id));
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
} while (after);
assert.equal(seen.length, 3);
assert.equal(new Set(seen).size, 3);

const isFree = async () =>
    (await client.query({ query: EscalateDocument, variables: { id: RULE } })).data?.routingRule?.availability?.chat
        .isAvailable;
const turn = async (userId: number, status: UserAvailabilityStatus) =>
    (await client.mutate({ mutation: SwitchDocument, variables: { input: { userId, channel: "CHAT", status } } })).data
        ?.userAvailabilityStatusUpdate;
assert.equal(await isFree(), true);
assert.equal((await turn(101, "UNAVAILABLE"))?.user?.availability?.chat.isAvailable, false);
assert.equal(await isFree(), false, "no user is available now");
assert.equal((await turn(101, "AVAILABLE"))?.userErrors, null);
assert.equal(await isFree(), true);
assert.equal((await turn(99, "AVAILABLE"))?.userErrors?.length, 1);

const connected = async (groups: number[]) =>
    (await client.query({ query: ConnectedDocument, variables: { groups } })).data?.connectedUsersIndicator
        .connectedUsersCount;
assert.equal(await connected(GROUPS), 3);
assert.equal(await connected([]), 4);

const record = recorder();
const link = new HttpLink({ uri, headers: BEARER, useGETForQueries: true, fetch: record.fetch });
const getter = new ApolloClient({ link, cache: new InMemoryCache() });
const answer = await getter.query({ query: ConnectedDocument, variables: { groups: GROUPS } });
assert.equal(answer.data?.connectedUsersIndicator.connectedUsersCount, 3);
await getter.mutate({
    mutation: SwitchDocument,
    variables: { input: { userId: 102, channel: "CHAT", status: "AVAILABLE" } },
});
assert.deepEqual(
    record.sent.map((request) => request.method),
    ["GET", "POST"],
);

// The text of an error reaches the program: of a document that is not valid, and of a field.
for (const one of [client, getter]) {
    const invalid = await rejection("an unknown field", () =>
        one.query({ query: gql("{connectedUsersIndicator{nothing}}") }),
    );
    assert(CombinedGraphQLErrors.is(invalid), String(invalid));
    assert.match(invalid.message, /nothing/);
    assert.equal(invalid.errors[0]?.extensions?.["name"], "INVALID_REQUEST");
    const long = await rejection("a page of 101", () =>
        one.query({ query: ClosedDocument, variables: { interval, first: 101 } }),
    );
    assert(CombinedGraphQLErrors.is(long), String(long));
    assert.equal(long.errors[0]?.extensions?.["name"], "INVALID_ARGUMENT");
}
console.log("Apollo's client and the types of graphql-codegen: 27 checks");
