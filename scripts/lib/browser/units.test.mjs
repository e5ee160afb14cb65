// The parts of the wallboard that need no page.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer, Breaches, INTERVAL } from "./wallboard/breaches.js";
import { delay, finalSentence, socketAddress } from "./wallboard/connection.js";
import { sentence } from "./wallboard/exchange.js";
import { ServerClock } from "./wallboard/freshness.js";
import { Histories, History, nickname } from "./wallboard/history.js";
import { extent, fitting, place } from "./wallboard/layout.js";
import { HOLD, order, Rotation } from "./wallboard/rotation.js";
import { duration, figure, isBreach, rank } from "./wallboard/words.js";

test("numbers and durations", () => {
  assert.deepEqual([null, 0, 1234, 87.3].map((value) => figure(value, "PEOPLE")), ["–", "0", "1,234", "87"]);
  assert.deepEqual([0, 0.4, 8.33, 9.96, 87.3].map((value) => figure(value, "PERCENT")), ["0", "0.4", "8.3", "10", "87"]);
  const seconds = [-3, 0, 59, 60, 3599, 3600, 3660, 86_399, 86_400];
  assert.deepEqual(seconds.map((one) => duration(one * 1000)),
    ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h 00", "1 h 01", "23 h 59", "1 d"]);
  assert.ok(isBreach("WARNING") && isBreach("UNAVAILABLE") && !isBreach("MONITOR") && !isBreach("LATER"));
  assert.equal(rank("LATER"), 0);
});

test("the server's clock counts, whatever the browser's says", () => {
  const clocks = { monotonic: 5_000, wall: 9e12 };
  const clock = new ServerClock({ monotonic: () => clocks.monotonic, wall: () => clocks.wall });
  assert.deepEqual([clock.state(), clock.now()], ["waiting", null]);
  clock.take({ time: "2026-11-28T20:15:00Z", stalenessMs: 12 });
  const from = Date.parse("2026-11-28T20:15:00Z");
  const pass = (milliseconds) => { clocks.monotonic += milliseconds; clocks.wall += milliseconds; };
  pass(4_999);
  assert.deepEqual([clock.state(), clock.now() - from, clock.age()], ["live", 4_999, 5_011]);
  pass(1);
  assert.equal(clock.state(), "late");
  clock.take({ time: "2026-11-28T20:15:05Z", stalenessMs: 10_000 });
  assert.equal(clock.state(), "live");
  clock.take({ time: "2026-11-28T20:15:05Z", stalenessMs: 10_001 });
  assert.equal(clock.state(), "stale");
  clock.take({ time: "2026-11-28T20:15:07Z", stalenessMs: 0 });
  // A computer slept: only one of the clocks went on.
  clocks.wall += 3_600_000;
  assert.equal(clock.state(), "late");
  // The browser's time was corrected: a step back hides nothing.
  clock.take({ time: "2026-11-28T20:15:09Z", stalenessMs: 0 });
  clocks.wall -= 3_600_000;
  clocks.monotonic += 6_000;
  assert.equal(clock.state(), "late");
  clock.take({ time: "no time", stalenessMs: 0 });
  assert.equal(clock.state(), "late");
});

test("connections are tried for ever, up to 30 s apart", () => {
  for (const attempt of [0, 1, 4, 5, 60, 100_000]) {
    const longest = Math.min(30_000, 1_000 * 2 ** Math.min(attempt, 20));
    assert.deepEqual([delay(attempt, 0), delay(attempt, 1)], [longest / 2, longest]);
  }
  const final = [4400, 4401, 4403, 4406, 4409, 4429];
  assert.ok(final.every((code) => finalSentence(code)));
  assert.ok([0, 1000, 1006, 1009, 1011, 1012, 1013, 4408, 4499, 4500].every((code) => finalSentence(code) === null));
  assert.equal(socketAddress("https://a.example/presence/wallboard#wl_1"), "wss://a.example/presence/graphql");
  assert.equal(socketAddress("http://[::1]:8080/wallboard"), "ws://[::1]:8080/graphql");
});

test("a page with a breach comes first, and a person decides", () => {
  const pages = ["HEALTHY", "WARNING", "NEUTRAL", "CRITICAL"].map((severity) => ({ severity }));
  assert.deepEqual(order(pages), [3, 1, 0, 2]);
  const rotation = new Rotation();
  const step = (now, fresh = [], rotationSeconds = 20) => rotation.step({ pages, rotationSeconds }, fresh, now);
  assert.deepEqual([step(0), step(19_999), step(20_000), step(40_000), step(60_000), step(80_000)], [3, 3, 1, 0, 2, 3]);
  assert.equal(step(81_000, [1]), 1, "a new breach is shown at once");
  rotation.choose(2, 82_000);
  assert.deepEqual([step(83_000, [1]), step(82_000 + HOLD)], [2, 2], "not while a person reads");
  assert.equal(step(82_000 + HOLD + 20_000), 3);
  const still = new Rotation();
  assert.equal(still.step({ pages, rotationSeconds: null }, [], 0), 0);
  assert.equal(still.step({ pages, rotationSeconds: null }, [3], 1e9), 0);
  still.choose(3, 0);
  assert.equal(still.step({ pages: pages.slice(0, 2), rotationSeconds: null }, [], 0), 0, "the page is gone");
});

test("a breach is new once, and again when it becomes worse", () => {
  const breaches = new Breaches();
  const keys = (...list) => breaches.update(list.map(([key, severity]) => ({ key, severity }))).map((one) => one.key);
  assert.deepEqual(keys(["a", "WARNING"]), ["a"]);
  assert.deepEqual(keys(["a", "WARNING"], ["b", "CRITICAL"]), ["b"]);
  assert.deepEqual(keys(["a", "CRITICAL"], ["b", "WARNING"]), ["a"]);
  assert.deepEqual(keys(["b", "CRITICAL"]), ["b"]);
  assert.ok(!breaches.has("a"));
  assert.deepEqual(keys(["a", "WARNING"]), ["a"], "it ended, and is back");
});

test("one sentence in five seconds, and none that is no longer true", () => {
  const said = [];
  const announcer = new Announcer((text) => said.push(text));
  let holds = true;
  announcer.add("one");
  announcer.add("two", () => holds);
  announcer.add("three");
  announcer.tick(0);
  announcer.tick(INTERVAL - 1);
  holds = false;
  announcer.tick(INTERVAL);
  announcer.tick(2 * INTERVAL);
  assert.deepEqual(said, ["one", "three"]);
});

test("lines have one point in a bucket, gaps, and an end", () => {
  const history = new History(8, 2);
  assert.equal(history.bucket, 20);
  [[1000, 1], [1010, 2], [1020, 3], [1200, 4], [900, 9]].forEach(([time, value]) => history.add(time, [value, 10 * value]));
  assert.deepEqual(history.points(), [[1000, 1020, 1040, 1200], [2, 3, null, 4], [20, 30, null, 40]]);
  const again = new History(8, 2);
  again.restore(JSON.parse(JSON.stringify(history)));
  assert.deepEqual(again.points(), history.points());
  for (const bad of [null, 7, {}, { times: [1], lines: [[1]] }, { times: [1], lines: [[1], []] }]) again.restore(bad);
  assert.deepEqual(again.points(), history.points());
  for (let time = 0; time < 100_000; time += 5) history.add(2_000 + time, [time, time]);
  assert.ok(history.times.length <= 1_441);
  assert.ok(history.times[history.times.length - 1] - history.times[0] <= 8 * 3600);
  history.add(5_000, [7, 7]);
  assert.equal(history.times[history.times.length - 1], 5_000, "the server's clock was set back by more than some minutes");
});

test("lines are kept by link, and others' are removed when they are old", () => {
  class Storage {
    getItem(key) { return Object.hasOwn(this, key) ? this[key] : null; }
    setItem(key, value) { this[key] = value; }
    removeItem(key) { delete this[key]; }
  }
  const storage = new Storage();
  const chart = { hours: 8, series: [{ column: { metric: "AVAILABLE" } }] };
  const histories = new Histories("wl_1", storage);
  histories.of("Chart", chart).add(100_000, [5]);
  histories.save();
  assert.equal(new Histories("wl_1", storage).of("Chart", chart).times.length, 1);
  const other = new Histories("wl_2", storage);
  assert.equal(other.of("Chart", chart).times.length, 0);
  other.tidy(100_000 + 80_000);
  assert.equal(Object.keys(storage).length, 1);
  other.tidy(100_000 + 90_000);
  assert.equal(Object.keys(storage).length, 0);
  const full = new Histories("wl_3", null);
  full.of("Chart", chart).add(1, [1]);
  full.save();
  full.tidy(1);
  assert.ok(!nickname("wl_secret").includes("secret") && nickname("wl_1") !== nickname("wl_2"));
});

test("tiles are placed in reading order, and headlines are two rows high", () => {
  const tile = (type, width) => ({ type, width });
  const board = [tile("NUMBER", 2), ...Array(4).fill(tile("NUMBER", 1)), ...Array(4).fill(tile("ROWS", 1))];
  const { areas, isTall } = place(board);
  const at = areas.map(({ row, column, rows, columns }) => [row, column, rows, columns].join(" "));
  assert.deepEqual(at, ["0 0 2 2", "0 2 1 1", "0 3 1 1", "1 2 1 1", "1 3 1 1", "2 0 1 1", "2 1 1 1", "2 2 1 1", "2 3 1 1"]);
  assert.deepEqual(isTall, [false, false, true]);
  assert.deepEqual(place([tile("ROWS", 3), tile("CHART", 2)]).areas.map(({ row, column }) => [row, column]), [[0, 0], [1, 0]]);
  assert.deepEqual(extent(tile("PEOPLE", 9)), { columns: 4, rows: 1 });
  assert.deepEqual(place([]), { areas: [], isTall: [] });
});

test("a row past a threshold is not the one that is left out", () => {
  const rows = ["HEALTHY", "MONITOR", "WARNING", "NEUTRAL", "CRITICAL"].map((severity, n) => ({ severity, n }));
  const kept = (count) => fitting(rows, count).map(({ n }) => n);
  assert.deepEqual([kept(9), kept(5), kept(3), kept(2), kept(1), kept(0)], [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 2, 4], [2, 4], [4], []]);
});

test("a rejected key has a reason that a person understands", () => {
  assert.match(sentence(401), /does not accept this key/);
  assert.match(sentence(403, "scope graphql:read is missing"), /scope graphql:read/);
  assert.match(sentence(404), /no board/);
  assert.match(sentence(503), /Try again/);
  assert.match(sentence(422, "hours"), /422: hours/);
});
