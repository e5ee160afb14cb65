// openapi-generator, typescript-fetch: classes for each group of operations, which send no `Accept`, so that the
// version of Vonage's operations is a header of the configuration.

import assert from "node:assert/strict";

import {
    CAMPAIGNS,
    EVE,
    GROUP_GUIDS,
    GROUPS,
    KEY,
    NOW,
    rejection,
    SELECTED,
    texts,
    URL_OF_SERVICE,
    VERSION,
} from "../service.js";
import {
    Configuration,
    ConvosoApi,
    EventsAndDirectoryApi,
    IAdvizeRESTApi,
    ResponseError,
    VonageContactCenterApi,
} from "./fetch/index.js";

const at = (headers: Record<string, string>) =>
    new Configuration({ basePath: URL_OF_SERVICE, apiKey: KEY, accessToken: KEY, headers });
const rest = new IAdvizeRESTApi(at({}));
const convoso = new ConvosoApi(at({}));
const vonage = new VonageContactCenterApi(at(VERSION));
const events = new EventsAndDirectoryApi(at({}));

const ids = async () => (await rest.listLive({ filtersGroupId: texts(GROUPS) })).data?.map((operator) => operator.id);
const presences = async () =>
    (await vonage.agentsAvailability({ availabilityCriteria: { groupGuids: GROUP_GUIDS } })).presenceSummary;

assert.deepEqual(await ids(), SELECTED);
const counts = await convoso.countAgents({ campaignId: texts(CAMPAIGNS) });
assert("data" in counts, JSON.stringify(counts));
assert.deepEqual(counts.data, { availableAgents: 2, loggedInAgents: 3 });
assert.deepEqual(await presences(), { ready: 2, away: 1, extendedAway: 0, loggedOut: 1 });

const event = { ...EVE, id: "eve", time: new Date(NOW) };
const taken = await events.postEvents({ cloudEvent: event });
assert.deepEqual(
    taken.results.map((result) => result.outcome),
    ["applied"],
);
assert.deepEqual(await ids(), [...SELECTED, 105]);
assert.equal((await presences()).ready, 3);

const status = (reason: unknown) => (reason instanceof ResponseError ? reason.response.status : reason);
assert.equal(status(await rejection("a group that is no id", () => rest.listLive({ filtersGroupId: ["none"] }))), 400);
const unversioned = new VonageContactCenterApi(at({}));
assert.equal(
    status(await rejection("no version", () => unversioned.agentsAvailability({ availabilityCriteria: {} }))),
    400,
);
const invalid = await convoso.countAgents({ campaignId: ["abc"] });
assert("error" in invalid && invalid.code === 6026, JSON.stringify(invalid));
console.log("openapi-generator, typescript-fetch: 9 checks");
