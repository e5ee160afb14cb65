// A tenant with three agents: one ready, one away, one without a desk.

export const VONAGE_AGENT = "a0000001-0000-4000-8000-000000000001";

export async function stage(base, admin) {
  const ask = async (method, path, token, body) => {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const answer = await fetch(base + path, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const { id } = await ask("POST", "/v1/tenants", admin, { name: "browser" });
  const { key } = await ask("POST", `/v1/tenants/${id}/keys`, admin, { name: "browser", scopes: ["*"] });
  const channels = { chat: { enabled: true, max_slots: 2 }, call: { enabled: true } };
  const guid = (n) => VONAGE_AGENT.replaceAll("1", `${n}`);
  const queues = [1];
  const users = ["Ann", "Bruno", "Cléo"].map((name, n) => ({
    id: n + 1, guid: guid(n + 1), name, roles: ["operator"], skills: [1], queues, channels,
  }));
  const [skill, queue] = [{ id: 1, name: "english" }, { id: 1, name: "calls" }];
  await ask("PUT", "/v1/directory", key, { skills: [skill], queues: [queue], users });
  const time = new Date().toISOString();
  const events = [
    ["desk.connected", "1", { session: "a" }], ["desk.connected", "2", { session: "a" }],
    ["status.changed", "2", { presence: "Away" }],
  ].map(([type, subject, data], n) => ({ id: `${n}`, source: "/browser", type, subject, time, data }));
  const { applied } = await ask("POST", "/v1/events", key, events);
  if (applied !== events.length) throw new Error(`${applied} events were applied`);
  return key;
}
