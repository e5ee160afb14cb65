// The page as a template: bar, band, tiles; and the form of a page without a link.

import { html, nothing } from "./lit-html.js";
import { severityShape, shape } from "./shapes.js";
import { tile } from "./tiles.js";
import { clock, duration, isBreach, severityWord } from "./words.js";

/** Returns the page with a board. `state` is described in `main.js`. */
export function wall(state) {
  const { board, place, fresh, now, actions } = state;
  const page = board.pages[place];
  return html`<div class="wall" data-fresh=${fresh}>
    <header class="bar">
      <h1>${board.title}</h1>
      ${pages(board, place, actions)}
      <div class="controls">${sound(state)}${pauseButton(fresh === "paused", actions)}</div>
      <p class="moment">${fresh === "live"
        ? html`${shape("disc")}<span>Live</span><time>${clock(now)}</time>`
        : html`${shape(fresh === "paused" ? "pause" : "clock")}<span>${fresh === "paused" ? "Paused" : "Not live"}</span><time>${clock(state.shownAt)}</time>`}</p>
    </header>
    ${band(state)}
    <main class="tiles">${page.tiles.map((one, n) => tile(one, n, state))}</main>
    ${state.below > 0 ? html`<p class="below-screen">+${state.below} more below</p>` : nothing}
  </div>`;
}

/** Returns the buttons of the pages, nothing for one page. */
function pages(board, place, actions) {
  if (board.pages.length < 2) return nothing;
  return html`<nav class="pages" aria-label="Pages">${board.pages.map(({ title, severity }, n) => html`<button
      type="button" aria-current=${n === place ? "page" : nothing} data-severity=${severity} @click=${() => actions.choose(n)}>
      ${isBreach(severity) ? html`${severityShape(severity)}<span class="unseen">${severityWord(severity)}: </span>` : nothing}${title || n + 1}
    </button>`)}</nav>`;
}

function pauseButton(isPaused, actions) {
  return html`<button type="button" class="control" @click=${actions.pause}>${shape(isPaused ? "play" : "pause")}${isPaused ? "Resume" : "Pause"}</button>`;
}

const hasKeys = !matchMedia("(pointer: coarse)").matches;
const SOUNDS = { off: ["silent", hasKeys ? "Press any key for sound" : "Tap for sound"], on: ["sound", "Sound on"], muted: ["silent", "Sound off"] };

function sound({ sounds, actions }) {
  const [name, text] = SOUNDS[sounds];
  return html`<button type="button" class="control" data-sound @click=${actions.sound}>${shape(name)}${text}</button>`;
}

/** Returns the band that says how old the numbers are, nothing while they are live. */
function band({ fresh, age, notice }) {
  const text = {
    late: [`These numbers are ${duration(age)} old.`, "No message from the service. Connecting again."],
    stale: [`These numbers are ${duration(age)} old.`, "The service cannot confirm that they still hold."],
    paused: [`Paused. These numbers are ${duration(age)} old.`, "They stay as they are until you resume."],
  }[fresh];
  if (!text && !notice) return nothing;
  const [title, reason] = text || ["", ""];
  return html`<div class="band">${shape(fresh === "paused" ? "pause" : "clock")}
    <p>${title ? html`<strong>${title}</strong> ` : nothing}${notice || reason}</p></div>`;
}

/** Returns a page without numbers: a sentence, why, and the form for a key if it can help. */
export function plain({ title, text, form }) {
  return html`<main class="plain"><h1>${title}</h1>${text ? html`<p>${text}</p>` : nothing}${form || nothing}</main>`;
}

/** Returns the form in which a key is exchanged for a link. */
export function keyForm({ submit, failure, isBusy }) {
  return html`<form @submit=${submit} autocomplete="off">
    <label>Key<input name="key" type="password" required autocomplete="off" spellcheck="false" ?disabled=${isBusy} /></label>
    <label>Board<input name="board" value="default" required pattern="[a-z0-9\\-]{1,64}" autocomplete="off" spellcheck="false"
      ?disabled=${isBusy} /></label>
    <button type="submit" ?disabled=${isBusy}>Show for 12 hours</button>
    <p class="failure" role="alert">${failure || ""}</p>
    <p class="hint">The key is exchanged for a link that shows this board and nothing else. It is not kept.</p>
  </form>`;
}
