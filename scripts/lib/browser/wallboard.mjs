// The wallboard at /wallboard. Its socket is played by the test, so that each state can be entered at once and is the same
// in every run: `boards.mjs` has what the service would send.
import assert from "node:assert/strict";

import { AVAILABLE, board, BOARDS, health, number, standard } from "./boards.mjs";
import { watch } from "./docs.mjs";

export const PATH = "/wallboard";
/** Looked at besides the sizes of all pages. */
export const SIZES = { tv: { width: 1920, height: 1080 }, uhd: { width: 3840, height: 2160 } };
const LINK = `wl_${"0".repeat(64)}`;

/** The service behind a page: takes its sockets and what they send. */
class Floor {
  static async behind(page) {
    const floor = new Floor();
    Object.assign(floor, { sockets: [], received: [], makes: null, refuses: null });
    await page.routeWebSocket(/\/graphql$/, (socket) => floor.take(socket));
    return floor;
  }

  take(socket) {
    this.sockets.push(socket);
    socket.onMessage((text) => {
      const message = JSON.parse(text);
      this.received.push(message);
      if (message.type === "connection_init" && this.refuses) socket.close({ code: this.refuses, reason: "refused" });
      else if (message.type === "connection_init") socket.send(JSON.stringify({ type: "connection_ack" }));
      if (message.type === "subscribe") {
        socket.id = message.id;
        if (this.makes) this.send(this.makes());
      }
    });
  }

  /** Sends a board of now, or another result. */
  send(board) {
    const socket = this.sockets[this.sockets.length - 1];
    const payload = board.errors ? board : { data: { board: { time: new Date().toISOString(), ...board } } };
    socket.send(JSON.stringify({ id: socket.id, type: "next", payload }));
  }

  ping(stalenessMs = 0, time = Date.now()) {
    const payload = { position: 1, time: new Date(time).toISOString(), stalenessMs };
    this.sockets[this.sockets.length - 1].send(JSON.stringify({ type: "ping", payload }));
  }

  close(code) {
    this.sockets[this.sockets.length - 1].close({ code, reason: "by the test" });
  }
}

const floors = new WeakMap();

/** Opens the page on boards that `makes` returns, or without a link. Returns the service behind it. */
export async function open(page, base, makes, { link = LINK } = {}) {
  if (!floors.has(page)) floors.set(page, await Floor.behind(page));
  const floor = floors.get(page);
  Object.assign(floor, { makes, sockets: [], received: [], refuses: null });
  // Another fragment alone would not load the page again.
  await page.goto("about:blank");
  await page.goto(`${base}${PATH}${link ? `#${link}` : ""}`);
  if (makes) await page.locator(".tile").first().waitFor();
  return floor;
}

const shown = (page, title) => page.locator(".tile", { has: page.locator("h2", { hasText: new RegExp(`^${title}$`) }) });
const value = (page, title) => shown(page, title).locator(".value").innerText();
const fresh = (page) => page.locator(".wall").getAttribute("data-fresh");
const waitFor = (page, state) => page.locator(`.wall[data-fresh="${state}"]`).waitFor({ timeout: 20_000 });

/** Everything that the page does, each with a page of its own. */
export async function use(browser, base) {
  for (const behaviour of BEHAVIOURS) {
    const context = await browser.newContext({ viewport: { width: 1366, height: 768 } });
    const page = await context.newPage();
    const errors = watch(page);
    const elsewhere = [];
    page.on("request", (request) => request.url().startsWith(base) || request.url() === "about:blank" || elsewhere.push(request.url()));
    try {
      await behaviour(page, base);
    } catch (error) {
      error.message = `wallboard, ${behaviour.name}: ${error.message}`;
      throw error;
    }
    assert.deepEqual([errors, elsewhere], [[], []], behaviour.name);
    await context.close();
  }
}

async function numbersAreThere(page, base) {
  const floor = await open(page, base, () => standard());
  assert.deepEqual(floor.received[0], { type: "connection_init", payload: { link: LINK } });
  assert.match(floor.received[1].payload.query, /^subscription\{board\{/);
  assert.deepEqual([await value(page, "Available"), await value(page, "Connected"), await fresh(page)], ["34", "120", "live"]);
  assert.match(await shown(page, "Available").innerText(), /Healthy\s*of 120 connected/);
  for (const [title, count] of [["By skill", 16], ["People", 120]]) await allAreCounted(page, title, count);
  const fits = () => [document.documentElement.scrollHeight <= innerHeight,
    ...[...document.querySelectorAll(".entry")].map((one) => one.getBoundingClientRect().bottom <= one.closest(".tile").getBoundingClientRect().bottom)];
  assert.ok((await page.evaluate(fits)).every(Boolean), "everything is in sight");
  floor.send(standard({ available: 5, low: ["spanish"] }));
  await shown(page, "Available").locator(".verdict", { hasText: "Critical" }).waitFor();
  assert.equal(await value(page, "Available"), "5");
}

/** Together, the entries that are shown and those that are said to be more are all. */
async function allAreCounted(page, title, count) {
  const more = await shown(page, title).locator(".more").innerText();
  assert.equal((await shown(page, title).locator(".entry").count()) + Number(more.match(/^\+(\d+) more$/)[1]), count, title);
}

/** On a phone a list is opened by a touch, and then has all that were sent. */
async function crowdsAreCounted(page, base) {
  await open(page, base, () => BOARDS.crowd(Date.now()));
  await allAreCounted(page, "People", 500);
  await page.setViewportSize({ width: 390, height: 844 });
  await shown(page, "People").getByRole("button", { name: /more$/ }).click();
  assert.equal(await shown(page, "People").locator(".entry").count(), 500);
}

/** Tiles that a screen has no room for are counted on it. */
async function tilesBelowAreCounted(page, base) {
  const tiles = Array.from({ length: 24 }, (_, n) => ({ ...standard().pages[0].tiles[5], title: `Table ${n}`, width: 2 }));
  await open(page, base, () => board([{ tiles }]));
  const below = await page.evaluate(() => [...document.querySelectorAll(".tile")].filter((one) => one.getBoundingClientRect().bottom > innerHeight).length);
  assert.ok(below > 10);
  assert.equal(await page.locator(".below-screen").innerText(), `+${below} more below`);
}

/** Ages follow the server's time; the browser's own is three hours wrong, and is moved on. */
async function agesAreTheServers(page, base) {
  await page.clock.install({ time: Date.now() + 3 * 3600_000 });
  const floor = await open(page, base, () => standard());
  await page.clock.runFor(1_000);
  assert.equal(await fresh(page), "live");
  assert.match(await shown(page, "People").locator(".since").first().innerText(), /^2\d s$/);
  await page.clock.runFor(4_500);
  await waitFor(page, "late");
  assert.match(await page.locator(".band").innerText(), /are [56] s old/);
  floor.ping();
  await page.clock.runFor(1_000);
  assert.equal(await fresh(page), "live");
  assert.ok(floor.received.some((message) => message.type === "pong"));
  floor.ping(42_000);
  await page.clock.runFor(1_000);
  assert.equal(await fresh(page), "stale");
  assert.match(await page.locator(".band").innerText(), /are 4[23] s old/);
}

/** A dimmed number has no colour of a state, and still enough contrast (which axe measures). */
async function dimmedNumbersAreNotGreen(page, base) {
  const colours = () => page.evaluate(() => [...new Set([...document.querySelectorAll(".tiles .value, .tiles .verdict, .tiles td, .tiles .shape, .tiles .reason")]
    .map((one) => getComputedStyle(one).color))]);
  const floor = await open(page, base, () => standard({ low: ["spanish"] }));
  assert.ok((await colours()).length >= 3);
  floor.ping(42_000);
  await waitFor(page, "stale");
  assert.equal((await colours()).length, 1);
}

/** A message that is not there ends the connection, and the next one shows the newest. */
async function connectionsAreMadeAgain(page, base) {
  await page.clock.install();
  const floor = await open(page, base, () => standard());
  for (const code of [1012, 1013, 1006, 1011, 4500]) {
    const before = floor.sockets.length;
    floor.makes = () => standard({ available: before });
    floor.close(code === 1006 ? 1001 : code);
    for (let round = 0; round < 40 && floor.sockets.length === before; round += 1) await page.clock.runFor(1_000);
    assert.equal(floor.sockets.length, before + 1, `after ${code}`);
    await shown(page, "Available").locator(".value", { hasText: new RegExp(`^${before}$`) }).waitFor();
  }
  const before = floor.sockets.length;
  for (let round = 0; round < 60 && floor.sockets.length === before; round += 1) await page.clock.runFor(1_000);
  assert.equal(floor.sockets.length, before + 1, "after silence");
}

/** A server that is behind is not shown at once, but it is shown. */
async function positionsGoBackLate(page, base) {
  await page.clock.install();
  const floor = await open(page, base, () => ({ ...standard(), position: 9 }));
  floor.send({ ...standard({ available: 33 }), position: 8 });
  await page.clock.runFor(4_000);
  floor.ping();
  await page.clock.runFor(500);
  assert.deepEqual([await value(page, "Available"), await fresh(page)], ["34", "live"]);
  await page.clock.runFor(1_000);
  assert.deepEqual([await value(page, "Available"), await fresh(page)], ["33", "live"]);
}

async function theEndIsSaid(page, base) {
  for (const [code, sentence] of [[4403, /no longer valid/], [4400, /did not understand/], [4406, /protocol/], [4429, /already/]]) {
    const floor = await open(page, base, () => standard());
    floor.refuses = code;
    floor.close(code);
    await page.locator(".plain h1", { hasText: sentence }).waitFor({ timeout: 2_000 });
    assert.equal(await page.locator(".tile").count(), 0, `numbers after ${code}`);
    await page.waitForTimeout(1_500);
    assert.equal(floor.sockets.length, 1, `another connection after ${code}`);
  }
}

async function pausesAreVisible(page, base) {
  const floor = await open(page, base, () => standard());
  await page.getByRole("button", { name: "Pause" }).click();
  floor.send(standard({ available: 3 }));
  await page.locator(".band", { hasText: "Paused" }).waitFor();
  const line = await page.locator(".plot").getAttribute("aria-label");
  floor.ping();
  await page.waitForTimeout(2_000);
  assert.equal(await page.locator(".plot").getAttribute("aria-label"), line, "the chart stands still");
  assert.deepEqual([await value(page, "Available"), await fresh(page)], ["34", "paused"]);
  await page.getByRole("button", { name: "Resume" }).click();
  await shown(page, "Available").locator(".value", { hasText: /^3$/ }).waitFor();
}

async function breachesAreSaidOnce(page, base) {
  await page.clock.install();
  const floor = await open(page, base, () => standard());
  const said = page.locator("#said");
  assert.equal(await said.innerText(), "");
  floor.send(standard({ available: 5 }));
  await shown(page, "Available").locator(".verdict", { hasText: "Critical" }).waitFor();
  await page.clock.runFor(1_000);
  const first = await said.innerText();
  assert.match(first, /critical/);
  await page.clock.runFor(3_000);
  assert.equal(await said.innerText(), first, "one sentence in five seconds");
  floor.ping();
  await page.clock.runFor(3_000);
  assert.notEqual(await said.innerText(), first);
  const live = await page.locator("[aria-live], [role=status], [role=alert]").count();
  assert.equal(live, 1, "numbers are no live regions");
}

/** One sound for each breach, and none before a key was pressed. */
async function breachesSoundOnce(page, base) {
  await page.addInitScript(() => {
    globalThis.notes = 0;
    const parameter = { setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {} };
    const node = () => ({ frequency: {}, gain: parameter, connect: (next) => next, start: () => { globalThis.notes += 1; }, stop() {} });
    globalThis.AudioContext = class {
      state = "suspended";
      currentTime = 0;
      createOscillator = node;
      createGain = node;
      resume() {
        if (globalThis.isPressed) this.state = "running";
        return Promise.resolve();
      }
    };
    addEventListener("keydown", () => { globalThis.isPressed = true; }, { capture: true });
  });
  const notes = () => page.evaluate(() => globalThis.notes);
  const alone = (available) => board([{ tiles: [number("Available", AVAILABLE, available, { severity: health(available, 120) })] }]);
  const floor = await open(page, base, () => alone(5));
  await page.getByRole("button", { name: "Press any key for sound" }).waitFor();
  assert.equal(await notes(), 0);
  await page.keyboard.press("x");
  await page.getByRole("button", { name: "Sound on" }).waitFor();
  for (const [available, expected] of [[5, 0], [4, 0], [0, 2], [0, 2], [34, 2], [5, 4]]) {
    floor.send(alone(available));
    await shown(page, "Available").locator(".value", { hasText: new RegExp(`^${available}$`) }).waitFor();
    assert.equal(await notes(), expected, `notes at ${available}`);
  }
}

/** A page that is open for months must not grow: fifty changes a second are those of a busy day in a minute. */
async function memoryStaysFlat(page, base) {
  const seconds = Number(process.env.WALLBOARD_SECONDS ?? 30);
  const floor = await open(page, base, () => standard());
  const session = await page.context().newCDPSession(page);
  const used = async () => {
    await session.send("HeapProfiler.collectGarbage");
    return (await session.send("Runtime.getHeapUsage")).usedSize;
  };
  const change = async (milliseconds) => {
    for (const end = performance.now() + milliseconds, began = performance.now(); performance.now() < end;) {
      const n = Math.floor((performance.now() - began) / 20);
      floor.send(standard({ available: 3 + (n % 60), low: n % 2 ? ["spanish"] : [] }));
      await page.waitForTimeout(20);
    }
  };
  // First the code is compiled, and a bucket of the chart ends.
  await change(10_000);
  const before = await used();
  await change(seconds * 1_000);
  const growth = (await used()) - before;
  assert.ok(growth < 1_000_000, `${growth} bytes more in ${seconds} s`);
}

/** Where the scripts do not run, a sentence appears. */
async function olderBrowsersGetASentence(page, base) {
  await page.route("**/main.js", (route) => route.abort());
  await page.goto(`${base}${PATH}#${LINK}`);
  await page.getByText("has not started").waitFor({ timeout: 8_000 });
}

async function pagesTakeTurns(page, base) {
  await page.clock.install();
  const floor = await open(page, base, () => BOARDS.many(Date.now()));
  const current = () => page.locator(".pages [aria-current]").innerText();
  assert.match(await current(), /Teams/, "the worst page is first");
  const pass = async (seconds) => {
    for (let second = 0; second < seconds; second += 1) {
      await page.clock.runFor(1_000);
      floor.ping();
    }
  };
  await pass(21);
  assert.match(await current(), /Skills/);
  await page.keyboard.press("ArrowLeft");
  assert.match(await current(), /Teams/);
  await pass(50);
  assert.match(await current(), /Teams/, "a person reads");
  await pass(40);
  assert.doesNotMatch(await current(), /Teams/);
}

/** The page loads itself again for another version of the server and for nothing else, and its lines go on. */
async function versionsReload(page, base) {
  const floor = await open(page, base, () => ({ ...standard({ available: 50 }), time: new Date(Date.now() - 200_000).toISOString() }));
  await page.evaluate(() => { globalThis.isOld = true; });
  floor.send(standard({ available: 31 }));
  await shown(page, "Available").locator(".value", { hasText: /^31$/ }).waitFor();
  floor.makes = () => ({ ...standard({ available: 29 }), serverVersion: "9.9.9" });
  floor.close(1012);
  await page.waitForFunction(() => !globalThis.isOld, null, { timeout: 15_000 });
  await shown(page, "Available").locator(".value", { hasText: /^29$/ }).waitFor();
  await page.locator(".plot[aria-label^='Available between 29 and 50;']").waitFor();
  const saved = await page.evaluate(() => Object.entries(localStorage));
  assert.ok(saved.length === 1 && !JSON.stringify(saved).includes(LINK), "the link is not in the storage");
}

async function keysAreExchanged(page, base) {
  const secret = "rk_secret_of_the_test";
  const sent = [];
  await page.route("**/v1/wallboards/*/links", (route) => {
    sent.push([new URL(route.request().url()).pathname, route.request().headers().authorization, route.request().postData()]);
    const isKnown = sent.length > 1;
    return route.fulfill({ status: isKnown ? 201 : 401, contentType: "application/json", body: JSON.stringify(isKnown ? { link: LINK } : {}) });
  });
  const floor = await open(page, base, null, { link: "" });
  floor.makes = () => standard();
  for (const board of ["default", "sales"]) {
    await page.getByLabel("Key").fill(secret);
    await page.getByLabel("Board").fill(board);
    await page.getByRole("button", { name: /12 hours/ }).click();
    if (board === "default") await page.locator(".failure", { hasText: "does not accept" }).waitFor();
  }
  await page.locator(".tile").first().waitFor();
  assert.deepEqual(sent.map(([path]) => path), ["/v1/wallboards/default/links", "/v1/wallboards/sales/links"]);
  assert.deepEqual([sent[1][1], JSON.parse(sent[1][2])], [`Bearer ${secret}`, { hours: 12 }]);
  assert.equal(new URL(page.url()).hash, `#${LINK}`);
  const kept = await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state]));
  assert.ok(!kept.includes(secret), "the key is forgotten");
}

async function motionIsReduced(page, base) {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await open(page, base, () => standard());
  const moving = await page.evaluate(() => document.getAnimations().filter((one) => one.playState === "running").length);
  assert.equal(moving, 0);
}

/** What is deleted, or has no answer, is said; the page shows the board again as soon as it exists. */
async function errorsAreSaid(page, base) {
  const floor = await open(page, base, () => standard());
  floor.send({ data: null, errors: [{ message: "gone", extensions: { name: "RESOURCE_NOT_FOUND" } }] });
  await page.locator(".plain h1", { hasText: "deleted" }).waitFor();
  floor.send(BOARDS.many(Date.now()));
  await page.locator(".pages button", { hasText: "Trouble" }).click();
  await page.locator(".problem-text", { hasText: "budget" }).waitFor();
}

const BEHAVIOURS = [numbersAreThere, crowdsAreCounted, tilesBelowAreCounted, agesAreTheServers, dimmedNumbersAreNotGreen,
  connectionsAreMadeAgain, positionsGoBackLate, theEndIsSaid, pausesAreVisible, breachesAreSaidOnce, pagesTakeTurns,
  versionsReload, keysAreExchanged, motionIsReduced, errorsAreSaid, breachesSoundOnce, olderBrowsersGetASentence,
  memoryStaysFlat];

const state = (name) => (page, base) => open(page, base, () => BOARDS[name](Date.now()));

/** The states in which the page is looked at, by name. */
export const STATES = {
  default: state("default"),
  monitor: state("monitor"),
  warn: state("warn"),
  alert: state("alert"),
  unavailable: state("unavailable"),
  empty: state("empty"),
  crowd: state("crowd"),
  teams: state("many"),
  stale: async (page, base) => {
    const floor = await open(page, base, () => standard());
    floor.ping(42_000);
    await waitFor(page, "stale");
  },
  paused: async (page, base) => {
    await open(page, base, () => standard({ available: 11 }));
    await page.getByRole("button", { name: "Pause" }).click();
  },
  late: async (page, base) => {
    await open(page, base, () => standard());
    await waitFor(page, "late");
  },
  revoked: async (page, base) => {
    const floor = await open(page, base, () => standard());
    floor.close(4403);
    await page.locator(".plain h1").waitFor();
  },
};

const BOARD_CONTROLS = [".moment", ".controls button"];
export const CONTROLS = Object.fromEntries(Object.keys(STATES).map((name) => [name, name === "revoked" ? ["form button"] : BOARD_CONTROLS]));

/**
 * The page against the service itself, whose tenant `stage.mjs` made: the numbers are those of a query, follow a change,
 * and are gone soon after the link was revoked.
 */
export async function useService(browser, base, key) {
  const ask = async (method, path, body) => {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? null : answer.json();
  };
  const counted = async () => {
    const { data } = await ask("POST", "/graphql", { query: "{now{breakdown{total{people connected reasons{available}}}}}" });
    const { people, connected, reasons: { available } } = data.now.breakdown.total;
    return { people, connected, available };
  };
  const { id, link } = await ask("POST", "/v1/wallboards/default/links", { days: 1 });
  const page = await browser.newPage({ viewport: { width: 1366, height: 768 } });
  const errors = watch(page);
  const elsewhere = [];
  page.on("request", (request) => request.url().startsWith(base) || elsewhere.push(request.url()));
  await page.goto(`${base}${PATH}#${link}`);
  const shows = async (available) =>
    shown(page, "Available").locator(".value", { hasText: new RegExp(`^${available}$`) }).waitFor({ timeout: 5_000 });
  const before = await counted();
  await shows(before.available);
  assert.equal(await value(page, "Connected"), `${before.connected}`);
  const everyone = await ask("POST", "/graphql", { query: "{users(first:100){edges{node{id availability{best{reason}}}}}}" });
  const nodes = everyone.data.users.edges.map((edge) => edge.node);
  const user = nodes.find((node) => node.availability.best.reason === "AVAILABLE");
  const event = { id: "wallboard", source: "/browser", type: "status.changed", subject: `${user.id}`,
    time: new Date().toISOString(), data: { presence: "Away" } };
  const taken = await ask("POST", "/v1/events", [event]);
  assert.deepEqual(taken.results.map((result) => result.outcome), ["applied"], JSON.stringify(taken));
  const after = await counted();
  assert.notEqual(after.available, before.available);
  await shows(after.available);
  await page.waitForTimeout(6_000);
  assert.equal(await fresh(page), "live", "messages arrive while nothing changes");
  await ask("DELETE", `/v1/wallboards/default/links/${id}`);
  await page.locator(".plain h1", { hasText: /no longer valid/ }).waitFor({ timeout: 2_000 });
  assert.deepEqual([errors, elsewhere], [[], []]);
  await page.close();
}
