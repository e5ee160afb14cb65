// The requests of convoso-sdk (github.com/walmat/convoso-sdk): the token is in the query, arrays are joined with commas
// for GET and are arrays in the JSON of POST, and `Content-Type: application/json` is sent with and without a body.

import assert from "node:assert/strict";

import { CAMPAIGNS, KEY, SELECTED, URL_OF_SERVICE } from "../service.js";

interface Call {
    path: string;
    method?: "GET" | "POST";
    query?: Record<string, unknown>;
    body?: Record<string, unknown>;
}

const request = async ({ path, method = "GET", query = {}, body }: Call): Promise<Record<string, unknown>> => {
    const url = new URL(`${URL_OF_SERVICE}/v1${path}`);
    url.searchParams.append("auth_token", KEY);
    for (const [name, value] of Object.entries(query)) {
        if (value !== undefined) url.searchParams.append(name, Array.isArray(value) ? value.join(",") : String(value));
    }
    const answer = await fetch(url, {
        method,
        headers: new Headers({ "Content-Type": "application/json" }),
        ...(body ? { body: JSON.stringify(body) } : {}),
    });
    assert(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
    // The SDK returns undefined for any other type.
    assert(answer.headers.get("content-type")?.includes("application/json"));
    return (await answer.json()) as Record<string, unknown>;
};

const counts = { available_agents: 2, logged_in_agents: 3 };
const everyone = { available_agents: 3, logged_in_agents: 4 };
const activity = "/user-activity/search";
assert.deepEqual((await request({ path: activity, method: "POST", body: { campaign_id: CAMPAIGNS } }))["data"], counts);
assert.deepEqual(
    (await request({ path: activity, method: "POST", body: { user_id: SELECTED, queue_id: "" } }))["data"],
    counts,
);
assert.deepEqual((await request({ path: activity, method: "POST", body: { campaign_id: 112 } }))["data"], {
    available_agents: 1,
    logged_in_agents: 1,
});
// Without parameters the SDK sends the type of a body that is not there.
assert.deepEqual((await request({ path: activity, method: "POST" }))["data"], everyone);
assert.deepEqual((await request({ path: activity }))["data"], everyone);

const monitor = await request({ path: "/agent-monitor/search", query: { campaign_id: CAMPAIGNS, user_id: undefined } });
const { entries } = monitor["data"] as { entries: { agents: { user_id: string }[] } };
assert.deepEqual(
    entries.agents.map((agent) => Number(agent.user_id)),
    SELECTED,
);

const failure = await request({ path: activity, method: "POST", body: { campaign_id: ["abc"] } });
assert.deepEqual(failure, { success: false, code: 6026, text: "Invalid campaign ID", error: "Invalid campaign ID" });
await assert.rejects(request({ path: "/user-activity", method: "POST" }), /404 /);
console.log("convoso-sdk: 8 checks");
