// The requests of convoso-js (github.com/thornebridge/convoso-js): POST with a form for every endpoint, the token as
// its first member, and String(value) for each value, by which an array becomes a text with commas. A failure is an
// answer other than 2xx, or `success: false`, with the text of `message` or else of `error`.

import assert from "node:assert/strict";

import { CAMPAIGNS, KEY, SELECTED, URL_OF_SERVICE } from "../service.js";

interface Answer {
    success: boolean;
    [member: string]: unknown;
}

const post = async (path: string, params: object = {}, token = KEY): Promise<Answer> => {
    const body = new URLSearchParams({ auth_token: token });
    for (const [name, value] of Object.entries(params)) {
        if (value !== undefined && value !== null) body.set(name, String(value));
    }
    const answer = await fetch(`${URL_OF_SERVICE}/v1${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body: body.toString(),
    });
    assert(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
    return (await answer.json()) as Answer;
};

const counts = { available_agents: 2, logged_in_agents: 3 };
assert.deepEqual(await post("/user-activity/search", { campaign_id: CAMPAIGNS }), { success: true, data: counts });
assert.deepEqual(await post("/user-activity/search", { campaign_id: "111,112", user_id: undefined }), {
    success: true,
    data: counts,
});
assert.deepEqual((await post("/user-activity/search", { user_id: SELECTED }))["data"], counts);
assert.deepEqual((await post("/user-activity/search"))["data"], { available_agents: 3, logged_in_agents: 4 });
assert.deepEqual((await post("/user-activity/search", { filter_by_skill_options: ["english", "spanish"] }))["data"], {
    available_agents: 3,
    logged_in_agents: 4,
});

const monitor = await post("/agent-monitor/search", { campaign_id: CAMPAIGNS });
const { entries } = monitor["data"] as { entries: { agents: { user_id: string; status: string }[] } };
assert.deepEqual(
    entries.agents.map((agent) => [agent.user_id, agent.status]),
    [
        ["101", "READY"],
        ["102", "READY"],
        ["104", "PAUSED"],
    ],
);

const failure = await post("/user-activity/search", { campaign_id: "abc" });
assert.deepEqual(failure, { success: false, code: 6026, text: "Invalid campaign ID", error: "Invalid campaign ID" });
await assert.rejects(post("/user-activity/search", {}, "rk_wrong"), /401 .*Invalid authentication token/);
console.log("convoso-js: 8 checks");
