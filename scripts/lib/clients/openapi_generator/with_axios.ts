// openapi-generator, typescript-axios: sends the media types of the responses as `Accept`, by which Vonage's operations
// find their version without a setting.

import assert from "node:assert/strict";

import { AxiosError } from "axios";

import { CAMPAIGNS, EVE, GROUP_GUIDS, GROUPS, KEY, NOW, rejection, SELECTED, texts, URL_OF_SERVICE } from "../service.js";
import {
    Configuration,
    ConvosoApi,
    EventsAndDirectoryApi,
    IAdvizeRESTApi,
    VonageContactCenterApi,
} from "./axios/index.js";

const configuration = new Configuration({ basePath: URL_OF_SERVICE, apiKey: KEY, accessToken: KEY });
const rest = new IAdvizeRESTApi(configuration);
const convoso = new ConvosoApi(configuration);
const vonage = new VonageContactCenterApi(configuration);
const events = new EventsAndDirectoryApi(configuration);

const ids = async () => (await rest.listLive(undefined, texts(GROUPS))).data.data?.map((operator) => operator.id);
const presences = async () => (await vonage.agentsAvailability({ groupGuids: GROUP_GUIDS })).data.presenceSummary;

assert.deepEqual(await ids(), SELECTED);
const counts = (await convoso.countAgents(texts(CAMPAIGNS))).data;
assert.deepEqual(counts, { success: true, data: { available_agents: 2, logged_in_agents: 3 } });
assert.deepEqual(await presences(), { Ready: 2, Away: 1, ExtendedAway: 0, LoggedOut: 1 });

const event = { ...EVE, id: "eve", time: NOW };
assert.deepEqual(
    (await events.postEvents(event)).data.results.map((result) => result.outcome),
    ["applied"],
);
assert.deepEqual(await ids(), [...SELECTED, 105]);
assert.equal((await presences()).Ready, 3);

const status = (reason: unknown) => (reason instanceof AxiosError ? reason.response?.status : reason);
assert.equal(status(await rejection("a group that is no id", () => rest.listLive(undefined, ["none"]))), 400);
assert.equal(
    status(await rejection("a group that is no GUID", () => vonage.agentsAvailability({ groupGuids: ["none"] }))),
    400,
);
const invalid = (await convoso.countAgents(["abc"])).data;
assert("error" in invalid && invalid.code === 6026, JSON.stringify(invalid));
console.log("openapi-generator, typescript-axios: 9 checks");
