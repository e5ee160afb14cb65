// orval generates functions that call by axios, with which the lists of queries are written as `filters[group_id][]=`.

import assert from "node:assert/strict";

import axios, { AxiosError } from "axios";

import {
    BEARER,
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
import { agentsAvailability, countAgents, countAgentsByBody, listLive, postEvents } from "./generated.js";

axios.defaults.baseURL = URL_OF_SERVICE;
axios.defaults.headers.common.Authorization = BEARER.authorization;

const ofGroups = { "filters[group_id]": texts(GROUPS) };
const ids = async () => (await listLive(ofGroups)).data.data?.map((operator) => operator.id);
const counts = { success: true, data: { available_agents: 2, logged_in_agents: 3 } };
const search = { auth_token: KEY, campaign_id: texts(CAMPAIGNS) };

assert.deepEqual(await ids(), SELECTED);
assert.deepEqual(
    (await countAgents({ campaign_id: search.campaign_id }, { params: { auth_token: KEY } })).data,
    counts,
);
assert.deepEqual((await countAgentsByBody(search)).data, counts);
const summary = await agentsAvailability({ groupGuids: GROUP_GUIDS }, { headers: VERSION });
assert.deepEqual(summary.data.presenceSummary, { Ready: 2, Away: 1, ExtendedAway: 0, LoggedOut: 1 });

const taken = await postEvents({ ...EVE, id: "eve", time: NOW });
assert.deepEqual(
    taken.data.results.map((result) => result.outcome),
    ["applied"],
);
assert.deepEqual(await ids(), [...SELECTED, 105]);

const status = (reason: unknown) => (reason instanceof AxiosError ? reason.response?.status : reason);
assert.equal(status(await rejection("a group that is no id", () => listLive({ "filters[group_id]": ["none"] }))), 400);
assert.equal(
    status(
        await rejection("a group that is no GUID", () =>
            agentsAvailability({ groupGuids: ["none"] }, { headers: VERSION }),
        ),
    ),
    400,
);
const invalid = (await countAgentsByBody({ ...search, campaign_id: ["abc"] })).data;
assert("error" in invalid && invalid.code === 6026, JSON.stringify(invalid));
console.log("orval: 9 checks");
