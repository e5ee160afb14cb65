// The wallboard: one board, from a link in the address's fragment, for as long as the page is open.

import { Announcer, Breaches } from "./breaches.js";
import { draw } from "./chart.js";
import { finalSentence, follow } from "./connection.js";
import { exchange } from "./exchange.js";
import { arrange, below, isWide, rooms } from "./fit.js";
import { ServerClock } from "./freshness.js";
import { Histories, storage } from "./history.js";
import { render } from "./lit-html.js";
import { Rotation } from "./rotation.js";
import * as sounds from "./sound.js";
import { keyForm, plain, wall } from "./view.js";

/** Milliseconds for which a state that is older than the one shown is held back, after a reconnect to another server. */
const BACKWARDS = 5_000;
/** Milliseconds between two reloads at least, should two versions of the server answer in turns. */
const RELOADS = 60_000;
/** The time of the last one, in the storage of the tab. */
const RELOADED = "rollcall-wallboard-reloaded";
/** Entries of a list until its size is known. */
const FIRST_ROOM = 8;
/** Entries of a list where the page is scrolled, until it is opened. */
const FOLDED = 12;

const root = document.getElementById("wall");
const saver = storage("localStorage");
const clock = new ServerClock();
const rotation = new Rotation();
const breaches = new Breaches();
const announcer = new Announcer((text) => { document.getElementById("said").textContent = text; });
const darkness = matchMedia("(prefers-color-scheme: dark)");

/** What the page has: the newest board, the one that is kept by a pause, and what is true of the screen. */
const state = {
  link: "", board: null, notice: "", version: null, older: null, waiting: null, frozen: null, sounds: "off", rooms: {}, below: 0,
  histories: null, wasLive: true, fresh: [], opened: new Set(), isOver: false,
};

const actions = {
  choose: (place) => {
    rotation.choose(place, performance.now());
    update();
  },
  pause: () => {
    state.frozen = state.frozen ? null : { board: state.board, at: clock.now() - clock.age(), lines: {} };
    update();
  },
  sound: async () => {
    if (state.sounds === "on") state.sounds = "muted";
    else if (await sounds.prepare()) state.sounds = "on";
    update();
  },
};

/** Takes a result of the subscription. */
function take({ data, errors }) {
  const board = data && data.board;
  if (!board) {
    const [error = {}] = errors || [];
    const isDeleted = error.extensions && error.extensions.name === "RESOURCE_NOT_FOUND";
    state.notice = isDeleted ? "This board was deleted." : error.message || "The board could not be made.";
    if (isDeleted) {
      clearTimeout(state.waiting);
      Object.assign(state, { board: null, frozen: null, older: null, waiting: null });
    }
    return update();
  }
  clock.take(board);
  state.notice = "";
  if (!state.board || board.position >= state.board.position) return show(board);
  // Another server, which is behind: it will have caught up, or its state is the true one.
  state.older = board;
  state.waiting ||= setTimeout(() => show(state.older), BACKWARDS);
  return update();
}

/** Makes a board the one that is shown. */
function show(board) {
  clearTimeout(state.waiting);
  reloadForVersion(board.serverVersion);
  Object.assign(state, { board, older: null, waiting: null });
  remember();
  state.fresh.push(...breaches.update(board.breaches));
  update();
}

/** Takes the moment of a message that says that nothing changed. */
function takeStill(moment) {
  clock.take(moment);
  if (state.board) remember();
}

/** Adds the values of the charts to their lines, while they are live. */
function remember() {
  if (clock.state() !== "live") return;
  for (const { title, chart } of state.board.pages.flatMap((page) => page.tiles)) {
    if (chart) state.histories.of(title, chart).add(clock.now() / 1_000, chart.series.map((one) => one.value));
  }
}

/** Reloads the page if the server has another version than at first: its files may differ too. */
function reloadForVersion(version) {
  state.version ||= version;
  if (state.version === version) return;
  const session = storage("sessionStorage");
  // Without storage nothing would end a loop of reloads.
  if (!session || Math.abs(Date.now() - Number(session.getItem(RELOADED))) < RELOADS) return;
  session.setItem(RELOADED, String(Date.now()));
  state.histories.save();
  location.reload();
}

/** Says and sounds new breaches, once the page shows them. */
function report(fresh) {
  for (const { key, text } of fresh) announcer.add(text, () => breaches.has(key));
  if (fresh.length > 0 && state.sounds === "on") sounds.play();
}

/** Draws everything anew. */
function update() {
  if (state.isOver) return;
  const shown = state.frozen ? state.frozen.board : state.board;
  if (!shown) return waiting();
  const fresh = state.frozen ? "paused" : clock.state();
  document.documentElement.dataset.theme = theme(shown.theme);
  let urgent = [];
  if (!state.frozen) {
    urgent = state.fresh.splice(0).filter((one) => breaches.has(one.key));
    report(urgent);
  }
  const wasAt = rotation.place;
  const place = state.frozen ? Math.min(wasAt, shown.pages.length - 1)
    : rotation.step(shown, urgent.map((one) => one.page), performance.now());
  if (wasAt !== place) state.rooms = {};
  const isTrusted = fresh === "live" || fresh === "paused";
  if (isTrusted !== state.wasLive) announcer.add(isTrusted ? "The numbers are live again." : "The numbers are not live.");
  state.wasLive = isTrusted;
  const now = clock.now();
  const shownAt = state.frozen ? state.frozen.at : now - clock.age();
  const room = (n) => (isWide() ? state.rooms[n] || FIRST_ROOM : state.opened.has(`${place} ${n}`) ? Infinity : FOLDED);
  const open = isWide() ? null : (n) => {
    state.opened.add(`${place} ${n}`);
    update();
  };
  const view = {
    board: shown, place, fresh, age: now - shownAt, shownAt, now: fresh === "live" ? now : shownAt, room, open, actions,
    sounds: state.sounds, notice: state.notice, below: 0,
  };
  const tiles = shown.pages[place].tiles;
  document.title = shown.title;
  // Twice if the first time shows that more or less fits.
  for (let round = 0; round < 3; round += 1) {
    render(wall({ ...view, below: state.below }), root);
    arrange(root, tiles);
    const found = { rooms: rooms(root), below: below(root) };
    const isSame = JSON.stringify(found) === JSON.stringify({ rooms: state.rooms, below: state.below });
    Object.assign(state, found);
    if (isSame) break;
  }
  charts(tiles, (state.frozen ? shownAt : now) / 1_000, fresh);
}

function theme(wanted) {
  if (wanted === "DARK" || wanted === "LIGHT") return wanted.toLowerCase();
  return darkness.matches ? "dark" : "light";
}

function charts(tiles, now, fresh) {
  const look = `${document.documentElement.dataset.theme} ${innerWidth} ${innerHeight} ${fresh === "live"}`;
  for (const element of root.querySelectorAll("[data-chart]")) {
    const { title, chart } = tiles[element.dataset.chart];
    const history = state.histories.of(title, chart);
    const data = state.frozen ? (state.frozen.lines[history.key] ||= history.points()) : history.points();
    // Up to now, rather than to the last point.
    if (fresh === "live") [now, ...chart.series.map((one) => one.value)].forEach((value, n) => data[n].push(value));
    draw(element, {
      key: [title, chart.hours], look, now, data,
      labels: chart.series.map((one) => one.column.label), units: chart.series.map((one) => one.column.unit),
    });
  }
}

/** Shows that there is no board yet, or no longer. */
function waiting() {
  document.documentElement.dataset.theme = theme("AUTO");
  const since = performance.now() - state.began;
  const text = state.notice ? "The page shows it again as soon as it exists."
    : since < 5_000 ? "" : "The service does not answer yet. This page tries again until it does.";
  render(plain({ title: state.notice || "Connecting…", text }), root);
}

/** Shows the form for a key, with a sentence above it. */
function enter(title, text) {
  document.documentElement.dataset.theme = theme("AUTO");
  const show = (failure, isBusy) => render(plain({ title, text, form: keyForm({ submit, failure, isBusy }) }), root);
  const submit = async (event) => {
    event.preventDefault();
    const { key, board } = event.target.elements;
    const given = key.value.trim();
    key.value = "";
    show("", true);
    try {
      const link = await exchange(given, board.value.trim());
      history.replaceState(null, "", `#${link}`);
      location.reload();
    } catch (error) {
      show(error.message, false);
    }
  };
  show("", false);
}

/** Ends the page for good: no number stays on the screen. */
function ended({ code, reason }) {
  clearInterval(state.ticking);
  clearTimeout(state.waiting);
  state.histories.save();
  Object.assign(state, { board: null, frozen: null, isOver: true });
  if (code === 4403) enter(finalSentence(code), "It has expired or was revoked. Ask for a new link, or use a key.");
  else render(plain({ title: finalSentence(code), text: `Reload the page to try again. (${code}${reason ? `: ${reason}` : ""})` }), root);
}

/** Keeps the page that is shown, and allows sound, which browsers do after a gesture. */
function gesture() {
  rotation.hold(performance.now());
  allowSound();
}

async function allowSound() {
  if (state.sounds === "off" && await sounds.prepare() && state.sounds === "off") state.sounds = "on";
}

function start() {
  root.textContent = "";
  // Another link in the address of this page does not load it again.
  addEventListener("hashchange", () => location.reload());
  state.link = location.hash.slice(1);
  if (!state.link) return enter("Wallboard", "Open this page by a board's link, or paste a key.");
  state.histories = new Histories(state.link, saver);
  state.began = performance.now();
  state.ticking = setInterval(() => {
    update();
    announcer.tick(performance.now());
  }, 1_000);
  setInterval(() => state.histories.save(), 30_000);
  addEventListener("pagehide", () => state.histories.save());
  addEventListener("resize", update);
  darkness.addEventListener("change", update);
  const isSound = (event) => event.target instanceof Element && event.target.closest("[data-sound]");
  for (const kind of ["keydown", "pointerdown"]) addEventListener(kind, (event) => isSound(event) || gesture());
  addEventListener("keydown", turn);
  state.histories.tidy(Date.now() / 1_000);
  update();
  // Without a gesture only where the browser was started so.
  allowSound();
  return follow(state.link, { result: take, still: takeStill, ended });
}

/** Turns pages with the arrow keys. */
function turn({ key }) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
  const count = state.board ? state.board.pages.length : 0;
  if (step && count > 1 && !state.frozen) actions.choose((rotation.place + step + count) % count);
}

start();
