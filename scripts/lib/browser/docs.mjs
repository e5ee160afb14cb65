// Swagger UI at /docs/.
import assert from "node:assert/strict";

import { VONAGE_AGENT } from "./stage.mjs";

export const PATH = "/docs/";
const VERSION = "application/vnd.newvoicemedia.v1+json";

/** Opens the page, and waits until the description is shown. */
export async function open(page, base) {
  await page.goto(base + PATH);
  await page.locator(".opblock").first().waitFor();
}

/** Types a credential into the dialog, for each scheme that is given. */
export async function authorize(page, schemes) {
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const dialog = page.locator(".modal-ux");
  await dialog.waitFor();
  for (const [scheme, key] of Object.entries(schemes)) {
    const title = page.locator("h4 code", { hasText: new RegExp(`^${scheme}$`) });
    const box = dialog.locator(".auth-container", { has: title });
    await box.locator("input").first().fill(key);
    await box.getByRole("button", { name: "Authorize" }).click();
    await box.getByRole("button", { name: "Logout" }).waitFor();
  }
  await dialog.getByRole("button", { name: "Close" }).last().click();
}

/** Unfolds an operation, fills in its parameters and body, executes it; the status and the body that the page shows. */
export async function execute(page, operation, { parameters = {}, body, contentType } = {}) {
  const block = page.locator(`.opblock[id$="-${operation}"]`);
  if (!(await block.locator(".opblock-body").count())) await block.locator(".opblock-summary-control").click();
  const tryOut = block.getByRole("button", { name: /try it out/i });
  if (await tryOut.count()) await tryOut.click();
  for (const [name, value] of Object.entries(parameters)) {
    const row = block.locator(`tr[data-param-name="${name}"]`);
    if (await row.locator("select").count()) await row.locator("select").first().selectOption(value);
    else await row.locator("input").first().fill(value);
  }
  if (contentType) await block.locator(".opblock-section-request-body select").first().selectOption(contentType);
  if (body !== undefined) await block.locator("textarea.body-param__text").fill(body);
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.request().resourceType() === "fetch"),
    block.getByRole("button", { name: "Execute" }).click(),
  ]);
  const live = block.locator(".live-responses-table");
  await live.waitFor();
  const status = Number((await live.locator(".response-col_status").nth(1).innerText()).trim().split(/\s/)[0]);
  assert.equal(status, answer.status(), `${operation}: the page shows another status`);
  const text = await live.locator(".response-col_description pre").first().innerText();
  return { status, text, request: answer.request() };
}

function json(answer) {
  assert.equal(answer.status, 200, `${answer.request.url()}: ${answer.text}`);
  return JSON.parse(answer.text);
}

/** One operation of each dialect, with the numbers of stage.mjs; a key that is wrong; every operation of Vonage. */
export async function use(browser, base, key) {
  const page = await browser.newPage();
  const errors = watch(page);
  await open(page, base);
  await authorize(page, { bearer: key, api_key: key, auth_token: key });
  const live = json(await execute(page, "list_live"));
  assert.deepEqual(live.data.map((row) => [row.id, row.chat.available]), [[1, true], [2, false]]);
  const counts = json(await execute(page, "count_agents"));
  assert.deepEqual(counts.data, { available_agents: 1, logged_in_agents: 2 });
  const summary = await execute(page, "presence_summary", { parameters: { skillNames: "english" } });
  assert.deepEqual(json(summary), { Ready: 1, Away: 1, "Extended Away": 0, "Logged Out": 1 });
  assert.equal(summary.request.headers().accept, VERSION);
  const event = { specversion: "1.0", id: "from-the-page", source: "/docs", type: "desk.connected", subject: "3",
    time: new Date().toISOString(), data: { session: "page" } };
  const body = JSON.stringify(event);
  const taken = json(await execute(page, "post_events", { contentType: "application/json", body }));
  assert.equal(taken.applied, 1);
  assert.equal(json(await execute(page, "list_live")).data.length, 3);
  await vonage(page, base);
  assert.deepEqual(errors, []);
  await page.close();
  await refused(browser, base);
}

/** Every operation of Vonage can be called from the page: none is refused for its version, its type or its key. */
async function vonage(page, base) {
  const { paths } = await (await fetch(`${base}/openapi.json`)).json();
  const agent = VONAGE_AGENT;
  const fitting = {
    skillNames: "english", id: agent, userId: agent, account: "acme", availability: "readyForPhoneCall",
  };
  for (const item of Object.values(paths)) {
    for (const operation of Object.values(item).filter((one) => one.tags?.[0]?.startsWith("Vonage"))) {
      const required = (operation.parameters ?? []).filter((one) => one.required);
      const parameters = Object.fromEntries(required.map((one) => [one.name, fitting[one.name]]));
      const definitions = operation.operationId === "set_agent_presence"
        ? json(await execute(page, "list_presence_definitions")).presenceDefinitions : [];
      const away = definitions.find((one) => one.category.categoryType === "Away");
      const body = away ? JSON.stringify({ presenceId: away.presenceId }) : operation.requestBody ? "{}" : undefined;
      const answer = await execute(page, operation.operationId, { parameters, body });
      assert.equal(answer.status, 200, `${operation.operationId}: ${answer.text}`);
    }
  }
}

/** A key that is wrong is refused, and the page shows why. */
async function refused(browser, base) {
  const page = await browser.newPage();
  await open(page, base);
  await authorize(page, { bearer: "rk_wrong", api_key: "rk_wrong", auth_token: "rk_wrong" });
  for (const [operation, status, word] of [["list_live", 403, "Forbidden"], ["count_agents", 401, "success"],
    ["list_presence_definitions", 401, "denied"], ["get_directory", 401, "credential"]]) {
    const answer = await execute(page, operation);
    assert.equal(answer.status, status, `${operation}: ${answer.text}`);
    assert.match(answer.text, new RegExp(word, "i"), operation);
  }
  await page.close();
}

/** Collects what a page reports as wrong. Refused requests are what a person sees as an answer. */
export function watch(page) {
  const errors = [];
  page.on("pageerror", (error) => errors.push(`${error}`));
  page.on("console", (message) => {
    const isAnswer = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isAnswer) errors.push(message.text());
  });
  return errors;
}

/** The states in which the page is looked at, by name; each begins where the one before ended. */
export const STATES = {
  opened: open,
  unfolded: async (page) => {
    for (const operation of ["list_live", "post_events"]) {
      await page.locator(`.opblock[id$="-${operation}"] .opblock-summary-control`).click();
    }
    await page.locator(".opblock-body").nth(1).waitFor();
  },
  answered: async (page, _base, key) => {
    await authorize(page, { api_key: key });
    await execute(page, "list_live");
  },
  dialog: async (page) => {
    await page.getByRole("button", { name: "Authorize" }).first().click();
    await page.locator(".modal-ux").waitFor();
  },
};

/** Controls that a person must be able to reach at any width. */
export const CONTROLS = {
  opened: [".btn.authorize", ".opblock-summary-control"],
  unfolded: [".opblock-body .try-out__btn"],
  answered: [".opblock-body .btn.execute", ".live-responses-table"],
  dialog: [".modal-ux .auth-btn-wrapper button", ".modal-ux .close-modal"],
};
