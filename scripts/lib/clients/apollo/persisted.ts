// Apollo's automatic persisted queries: a hash alone first, hash and text when the service does not have it, and from
// then on the hash, by GET and by POST. Apollo's link and that of urql.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

import { BEARER, GROUPS, recorder, URL_OF_SERVICE, type Sent } from "../service.js";
import { ConnectedDocument } from "./generated.js";

const uri = `${URL_OF_SERVICE}/graphql`;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const variables = { groups: GROUPS };

/** The method of each request, and whether it carried the text of the document. */
const kinds = (sent: Sent[]) =>
    sent.map(
        ({ method, url, body }) =>
            `${method} ${url.searchParams.has("query") || body.includes('"query"') ? "text" : "hash"}`,
    );

for (const useGETForHashedQueries of [true, false]) {
    const record = recorder();
    const link = ApolloLink.from([
        // Another hash each time, so that each way begins with an unknown one.
        new PersistedQueryLink({ sha256, useGETForHashedQueries }),
        new HttpLink({ uri, headers: BEARER, fetch: record.fetch }),
    ]);
    const client = new ApolloClient({
        link,
        cache: new InMemoryCache(),
        defaultOptions: { query: { fetchPolicy: "no-cache" } },
    });
    for (let time = 0; time < 2; time++) {
        const answer = await client.query({ query: ConnectedDocument, variables });
        assert.equal(answer.data?.connectedUsersIndicator.connectedUsersCount, 3);
    }
    const method = useGETForHashedQueries ? "GET" : "POST";
    // The second client finds the document that the first one has sent.
    const wanted = useGETForHashedQueries ? ["GET hash", "POST text", "GET hash"] : ["POST hash", "POST hash"];
    assert.deepEqual(kinds(record.sent), wanted, method);
}

const record = recorder();
const urql = new Client({
    url: uri,
    fetch: record.fetch,
    fetchOptions: { headers: BEARER },
    requestPolicy: "network-only",
    preferGetMethod: "within-url-limit",
    exchanges: [
        persistedExchange({ preferGetForPersistedQueries: true, generateHash: async (text) => sha256(text) }),
        fetchExchange,
    ],
});
for (let time = 0; time < 2; time++) {
    const { data, error } = await urql
        .query(
            `query Urql($groups: [LegacyId!]) { connectedUsersIndicator(groupIds: $groups) { connectedUsersCount } }`,
            variables,
        )
        .toPromise();
    assert.equal(error, undefined, String(error));
    assert.equal(data?.connectedUsersIndicator.connectedUsersCount, 3);
}
assert.deepEqual(kinds(record.sent), ["GET hash", "GET text", "GET hash"]);
console.log("Automatic persisted queries: 9 checks");
