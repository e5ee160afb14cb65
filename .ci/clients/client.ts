// Tests the service with Apollo's client and the types that graphql-codegen generates from the schema's file. A query that
// does not fit the schema does not compile.
//
//   node client.js URL KEY CONVERSATION RULE

import assert from "node:assert/strict";

import { ApolloClient, HttpLink, InMemoryCache } from "@apollo/client";

import { ClosedDocument, ContactsDocument, EscalateDocument, ProjectsDocument, SwitchDocument, type UserAvailabilityStatus } from "./generated.js";

const [url, key, conversation, rule] = process.argv.slice(2);

const client = new ApolloClient({
  link: new HttpLink({ uri: url, headers: { authorization: `Bearer ${key}` } }),
  cache: new InMemoryCache({ possibleTypes: { User: ["Professional", "Developer", "Expert", "Bot"], Message: ["SystemMessage", "TextMessage"] } }),
  defaultOptions: { query: { fetchPolicy: "no-cache" } },
});

const contacts = (await client.query({ query: ContactsDocument, variables: { id: conversation } })).data?.conversation;
assert(contacts, "the conversation is there");
assert.deepEqual(
  contacts.contacts.map((contact) => [contact.start, contact.end, contact.ending, contact.user.id]),
  [
    ["2019-01-04T11:00:01Z", "2019-01-04T11:00:05Z", "SNOOZED", 1],
    ["2019-01-04T11:05:05Z", "2019-01-04T11:10:00Z", "CLOSED", 1],
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
assert.deepEqual(contacts.users.map((user) => user.id), [1]);

const projects = (await client.query({ query: ProjectsDocument })).data?.projects;
assert.deepEqual(projects?.edges.map(({ node }) => [node.id, node.name]), [[7, "Retail"]]);

const interval = { from: "2019-01-04T00:00:00Z", to: "2019-01-04T23:59:59Z" };
const seen: string[] = [];
let after: string | null | undefined;
do {
  const page = (await client.query({ query: ClosedDocument, variables: { interval, first: 1, after } })).data?.closedConversations;
  assert(page, "a page is there");
  seen.push(...page.edges.map((edge) => edge.node.id));
  after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
} while (after);
assert.equal(seen.length, 3);
assert.equal(new Set(seen).size, 3);

const isFree = async () =>
  (await client.query({ query: EscalateDocument, variables: { id: rule } })).data?.routingRule?.availability?.chat.isAvailable;
const turn = async (userId: number, status: UserAvailabilityStatus) =>
  (await client.mutate({ mutation: SwitchDocument, variables: { input: { userId, channel: "CHAT", status } } })).data
    ?.userAvailabilityStatusUpdate;
assert.equal(await isFree(), true);
assert.equal((await turn(1, "UNAVAILABLE"))?.user?.availability?.chat.isAvailable, false);
assert.equal(await isFree(), false, "no user is available now");
assert.equal((await turn(1, "AVAILABLE"))?.userErrors, null);
assert.equal(await isFree(), true);
assert.equal((await turn(99, "AVAILABLE"))?.userErrors?.length, 1);
console.log("Apollo's client and the types of graphql-codegen agree with the service");
