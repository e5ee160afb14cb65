// Calls by axios, which most dashboards use: the URL as a public client writes it, with blank filters, and the ways in
// which axios itself writes arrays: `campaign_id[]=` in queries and forms, and JSON.

import assert from "node:assert/strict";

import axios, { type AxiosResponse } from "axios";

import { CAMPAIGNS, KEY, URL_OF_SERVICE } from "../service.js";

const activity = `${URL_OF_SERVICE}/v1/user-activity/search`;
const counts = { available_agents: 2, logged_in_agents: 3 };
const data = (answer: AxiosResponse): unknown => answer.data.data;
const search = { auth_token: KEY, campaign_id: CAMPAIGNS };

const blank = `${activity}?auth_token=${KEY}&campaign_id=111,112&queue_id=&user_id=&filter_by_skill_options=`;
assert.deepEqual(data(await axios.get(blank)), counts);
assert.deepEqual(data(await axios.get(activity, { params: search })), counts);
for (const indexes of [null, true]) {
    // campaign_id=111&campaign_id=112, and campaign_id[0]=111&campaign_id[1]=112
    assert.deepEqual(data(await axios.get(activity, { params: search, paramsSerializer: { indexes } })), counts);
}
assert.deepEqual(data(await axios.post(activity, search)), counts, "JSON");
assert.deepEqual(
    data(await axios.post(activity, search, { headers: { "Content-Type": "application/x-www-form-urlencoded" } })),
    counts,
);
assert.deepEqual(data(await axios.postForm(activity, search)), counts, "multipart/form-data");
assert.deepEqual(
    data(await axios.post(activity, new URLSearchParams({ auth_token: KEY, campaign_id: "111,112" }))),
    counts,
);

// A filter that no spelling of a list has is refused, rather than left out.
const misspelt = await axios.get(activity, {
    params: { auth_token: KEY, campaign_id: { id: 111 } },
    validateStatus: null,
});
assert.equal(misspelt.status, 400);
assert.equal(misspelt.data.success, false);
assert.match(misspelt.data.text, /campaign_id\[id\]/);
console.log("axios: 9 checks");
