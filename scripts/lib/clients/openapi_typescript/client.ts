// openapi-typescript makes types of the description, with which openapi-fetch calls: a parameter or a member that the
// description does not have does not compile.

import assert from "node:assert/strict";

import createClient from "openapi-fetch";

import {
    BEARER,
    CAMPAIGNS,
    EVE,
    GROUP_GUIDS,
    GROUPS,
    KEY,
    NOW,
    SELECTED,
    texts,
    URL_OF_SERVICE,
    VERSION,
} from "../service.js";
import type { paths } from "./generated.js";

const client = createClient<paths>({ baseUrl: URL_OF_SERVICE, headers: BEARER });
const ofGroups = { "filters[group_id]": texts(GROUPS) };

const live = async () => {
    const { data, error } = await client.GET("/operator/live", { params: { query: ofGroups } });
    return data?.data?.map((operator) => operator.id) ?? error;
};
const search = (campaign_id: string[]) =>
    client.GET("/user-activity/search", { params: { query: { auth_token: KEY, campaign_id } } });
const criteria = { groupGuids: GROUP_GUIDS };
const ready = async () => {
    const { data, error } = await client.POST("/agents-availability", { headers: VERSION, body: criteria });
    return data?.presenceSummary.Ready ?? error;
};

assert.deepEqual(await live(), SELECTED);
assert.deepEqual((await search(texts(CAMPAIGNS))).data, {
    success: true,
    data: { available_agents: 2, logged_in_agents: 3 },
});
assert.equal(await ready(), 2);

const event = { ...EVE, id: "eve", time: NOW };
const taken = await client.POST("/v1/events", { body: event });
assert.deepEqual(
    taken.data?.results.map((result) => result.outcome),
    ["applied"],
    JSON.stringify(taken.error),
);
assert.deepEqual(await live(), [...SELECTED, 105]);
assert.equal(await ready(), 3);

// Errors have the types of the description too.
const unknown = await client.GET("/operator/live", { params: { query: { "filters[group_id]": ["none"] } } });
assert.equal(unknown.error?.meta.status, "fail");
const invalid = await search(["abc"]);
assert(invalid.data && "error" in invalid.data, JSON.stringify(invalid));
assert.equal(invalid.data.code, 6026);
const unversioned = await client.POST("/agents-availability", { body: criteria });
assert.match(JSON.stringify(unversioned.error), /ApiVersionUnspecified/);
const nameless = await client.POST("/v1/tenants", { body: { name: "none" } });
assert.equal(nameless.response.status, 401);
assert.equal(nameless.error?.status, 401);
console.log("openapi-typescript: 11 checks");
