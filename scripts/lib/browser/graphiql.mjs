// GraphiQL at /graphiql.
import assert from "node:assert/strict";

import { watch } from "./docs.mjs";

export const PATH = "/graphiql";
const RUN = ".graphiql-execute-button";
const QUERY = ".graphiql-query-editor .CodeMirror";
const HEADERS = ".graphiql-editor-tool .CodeMirror";

/** Opens the page, and waits for its editors. */
export async function open(page, base) {
  await page.goto(base + PATH);
  await page.locator(RUN).waitFor();
  await page.locator(QUERY).waitFor();
}

/** Replaces the text of an editor by typing. */
async function type(page, editor, text) {
  await page.locator(editor).first().click();
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(text);
}

/** Puts the key into the headers, runs a query, and returns the answer that the page shows. */
export async function run(page, key, query) {
  await page.locator(`${HEADERS} >> visible=true`).first().waitFor();
  await type(page, `${HEADERS} >> visible=true`, JSON.stringify({ Authorization: `Bearer ${key}` }));
  if (query) await type(page, QUERY, query);
  const [answer] = await Promise.all([
    page.waitForResponse((one) => one.url().endsWith("/graphql") && !/Introspection/.test(one.request().postData())),
    page.locator(RUN).click(),
  ]);
  const expected = await answer.text();
  const shown = page.locator(".result-window");
  const mark = expected.includes('"errors"') ? "errors" : "data";
  await shown.getByText(mark, { exact: false }).first().waitFor();
  return { text: await shown.innerText(), answer: JSON.parse(expected) };
}

/** The query that the page proposes, one that is typed, a key that is wrong, and the documentation. */
export async function use(browser, base, key) {
  const page = await browser.newPage();
  const errors = watch(page);
  await open(page, base);
  const proposed = await run(page, key);
  const indicator = proposed.answer.data.connectedUsersIndicator;
  assert.deepEqual([indicator.connectedUsersCount, indicator.countByChatAvailabilityStatus],
    [3, { available: 1, busy: 0, toggleOff: 2 }]);
  assert.match(proposed.text, /connectedUsersCount"?:\s*3/);
  const typed = await run(page, key, "{users(first:1){edges{node{lastName}}}}");
  assert.match(typed.text, /Ann/);
  const wrong = await run(page, "rk_wrong");
  assert.equal(wrong.answer.errors[0].extensions.name, "AUTHENTICATION_REQUIRED");
  assert.match(wrong.text, /AUTHENTICATION_REQUIRED/);
  await page.getByRole("button", { name: /show documentation/i }).click();
  await page.locator(".graphiql-doc-explorer").getByText("Query", { exact: true }).first().click();
  await page.getByText("Queries. All fields of one request").waitFor();
  assert.deepEqual(errors, []);
  await page.close();
}

/** A subscription, whose answer changes on the page while an agent goes away and comes back. */
export async function useService(browser, base, key) {
  const bearer = { Authorization: `Bearer ${key}` };
  const ask = async (path, body) => {
    const headers = { ...bearer, "Content-Type": "application/json" };
    const answer = await fetch(base + path, { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200);
    return answer.json();
  };
  let sent = 0;
  const choose = async (presence) => {
    const event = { id: `graphiql-${sent++}`, source: "/browser", type: "status.changed", subject: "1", data: { presence } };
    const { applied } = await ask("/v1/events", { ...event, time: new Date().toISOString() });
    assert.equal(applied, 1);
  };
  const fields = "{breakdown{total{reasons{away}}}}";
  await choose("Ready");
  const { away } = (await ask("/graphql", { query: `{now${fields}}` })).data.now.breakdown.total.reasons;

  const page = await browser.newPage();
  const errors = watch(page);
  await open(page, base);
  await page.locator(`${HEADERS} >> visible=true`).first().waitFor();
  await type(page, `${HEADERS} >> visible=true`, JSON.stringify(bearer));
  await type(page, QUERY, `subscription Away{live${fields}}`);
  // GraphiQL parses a text 100 ms after it was typed. Run before that sends it as a query.
  await page.waitForFunction((editor) => document.querySelector(editor).CodeMirror.operationName === "Away", QUERY);
  await page.locator(RUN).click();
  const shows = (count) => page.locator(".result-window").getByText(new RegExp(`away"?:\\s*${count}`)).first().waitFor();
  await shows(away);
  await choose("Away");
  await shows(away + 1);
  await choose("Ready");
  await shows(away);
  // The button stops what it started.
  await page.locator(RUN).click();
  assert.deepEqual(errors, []);
  await page.close();
}

export const STATES = {
  opened: open,
  answered: async (page, _base, key) => {
    await run(page, key);
  },
  documentation: async (page) => {
    await page.getByRole("button", { name: /show documentation/i }).click();
    await page.locator(".graphiql-doc-explorer").waitFor();
  },
};

export const CONTROLS = {
  opened: [RUN, ".graphiql-query-editor .CodeMirror", ".graphiql-editor-tools button", ".graphiql-sidebar button"],
  answered: [RUN, ".result-window"],
  documentation: [".graphiql-doc-explorer"],
};
