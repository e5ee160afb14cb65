// Imports the description into a Postman collection, fills requests in as a person would, and sends them with newman.
// Then every other request is sent as it was imported: none may be answered by a fault of the service.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import newman from "newman";
import converter from "openapi-to-postmanv2";

const { SERVICE_URL, SERVICE_KEY } = process.env;
const GROUPS = ["98", "99"];
const GROUP_GUIDS = GROUPS.map((group) => `60000${group.padStart(3, "0")}-0000-4000-8000-000000000001`);

const convert = () =>
    new Promise((resolve, reject) => {
        const input = { type: "string", data: readFileSync("openapi.json", "utf8") };
        converter.convertV2(input, { folderStrategy: "Tags", parametersResolution: "Example" }, (error, made) =>
            error || !made.result ? reject(error ?? new Error(made.reason)) : resolve(made.output[0].data),
        );
    });

const send = (collection, item) =>
    new Promise((resolve, reject) => {
        const variables = { baseUrl: SERVICE_URL, bearerToken: SERVICE_KEY, apiKey: SERVICE_KEY };
        const envVar = Object.entries(variables).map(([key, value]) => ({ key, value }));
        newman.run({ collection: { ...collection, item }, envVar, timeoutRequest: 30_000 }, (error, summary) =>
            error ? reject(error) : resolve(summary.run.executions),
        );
    });

const collection = await convert();
const requests = (items) => items.flatMap((item) => (item.item ? requests(item.item) : [item]));
const all = requests(collection.item);

/** A copy of one request with these parameters, all others switched off, and this body. */
const filledIn = (method, path, { query = {}, body } = {}) => {
    const found = all.find(({ request }) => request.method === method && request.url.path.join("/") === path);
    assert(found, `${method} ${path} is in the collection`);
    const item = structuredClone(found);
    const names = new Set(item.request.url.query.map((parameter) => parameter.key));
    item.request.url.query = Object.entries(query).flatMap(([key, values]) => {
        assert(names.has(key), `${path} has the parameter ${key}`);
        return values.map((value) => ({ key, value }));
    });
    if (body) item.request.body.raw = JSON.stringify(body);
    return item;
};

const ofGroups = (values) => filledIn("GET", "operator/live", { query: { "filters[group_id]": values } });
const event = {
    type: "desk.connected",
    id: "eve",
    source: "/clients",
    subject: "105",
    time: new Date().toISOString(),
    data: { session: "desk-105" },
};
const answers = (
    await send(collection, [
        ofGroups(GROUPS),
        filledIn("GET", "user-activity/search", { query: { campaign_id: ["111", "112"] } }),
        filledIn("POST", "user-activity/search", { body: { campaign_id: ["111", "112"] } }),
        filledIn("POST", "agents-availability", { body: { groupGuids: GROUP_GUIDS } }),
        filledIn("GET", "agents-availability", { query: { skillNames: ["english", "spanish"] } }),
        filledIn("POST", "graphql", {
            body: { query: "{connectedUsersIndicator(groupIds:[98,99]){connectedUsersCount}}" },
        }),
        filledIn("POST", "v1/events", { body: event }),
        ofGroups(GROUPS),
        ofGroups(["none"]),
        filledIn("POST", "agents-availability", { body: { groupGuids: ["none"] } }),
    ])
).map(({ requestError, response }) => ({ status: response?.code ?? String(requestError), body: response?.json() }));
const ids = ({ body }) => body.data?.map((operator) => operator.id);
const counts = { success: true, data: { available_agents: 2, logged_in_agents: 3 } };
const [live, byQuery, byBody, availability, skills, indicator, taken, after, refused, invalid] = answers;
assert.deepEqual(ids(live), [101, 102, 104]);
assert.deepEqual([byQuery.body, byBody.body], [counts, counts]);
assert.deepEqual(availability.body.presenceSummary, { Ready: 2, Away: 1, ExtendedAway: 0, LoggedOut: 1 });
assert.deepEqual(skills.body, { Ready: 1, Away: 0, "Extended Away": 0, "Logged Out": 0 });
assert.deepEqual(indicator.body, { data: { connectedUsersIndicator: { connectedUsersCount: 3 } } });
assert.deepEqual(taken.body.results.map(({ outcome, detail }) => [outcome, detail]), [["applied", undefined]]);
assert.deepEqual(ids(after), [101, 102, 104, 105]);
assert.deepEqual([refused.status, refused.body.meta.status, invalid.status], [400, "fail", 400]);

const others = await send(collection, all);
const faults = others.filter(({ response }) => !response || response.code >= 500);
assert(others.length > 50, `${others.length} requests`);
assert.deepEqual(
    faults.map(({ item, response }) => `${item.name}: ${response?.code}`),
    [],
);
console.log(`Postman: 9 checks, and ${others.length} requests without a fault of the service`);
