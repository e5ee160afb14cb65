// The tiles of a board, as templates.

import { html, nothing } from "./lit-html.js";
import { fitting } from "./layout.js";
import { reasonShape, severityShape } from "./shapes.js";
import { duration, figure, rank, reasonWord, SEVERITIES, severityWord } from "./words.js";

/**
 * Returns a tile. `context` has the server's time `now`, `room(n)`, how many entries of the n-th tile's list fit, and `open(n)`
 * where a list can be shown whole.
 */
export function tile(one, n, context) {
  const kind = one.problem ? "problem" : one.type.toLowerCase();
  return html`<section class="tile ${kind}" data-severity=${one.severity} data-wide=${one.width > 1 ? "yes" : nothing}
      aria-labelledby="tile-${n}">
    <header><h2 id="tile-${n}">${one.title}</h2>${one.rows ? summary(one.rows.rows) : nothing}</header>
    ${one.problem ? html`<p class="problem-text">${one.problem}</p>` : CONTENTS[one.type](one, n, context)}
    ${unmatched(one)}
  </section>`;
}

/** Returns the values of a tile's filters that match nothing any more; nothing without any. */
function unmatched({ unknownIds, unknownUsers }) {
  const users = unknownUsers > 0 ? [unknownUsers === 1 ? "1 user" : `${unknownUsers} users`] : [];
  const all = [...unknownIds, ...users];
  return all.length > 0 ? html`<p class="unknown">Filter without a match: ${all.join(", ")}</p>` : nothing;
}

const CONTENTS = { NUMBER: number, ROWS: rows, PEOPLE: people, CHART: chart };

function number({ severity, number: { column, cell, of } }) {
  const beside = of ? html`<span class="of">of ${figure(of.value, of.column.unit)} ${of.column.label.toLowerCase()}</span>` : nothing;
  return html`<p class="figure"><span class="value">${figure(cell.value, column.unit)}${
    column.unit === "PERCENT" && cell.value !== null ? html`<span class="unit"> %</span>` : nothing}</span></p>
    <p class="below">${verdict(severity)}${beside}</p>`;
}

/** Returns shape and word of a severity, with a count before the word if there is one; nothing for `NEUTRAL`. */
function verdict(severity, count) {
  const word = severityWord(severity);
  if (!word) return nothing;
  const text = count ? `${count} ${word.toLowerCase()}` : word;
  return html`<span class="verdict" data-severity=${severity}>${severityShape(severity)}${text}</span>`;
}

function rows({ rows: { columns, rows: all, rowCount } }, n, context) {
  if (rowCount === 0) return nothingToShow;
  const shown = fitting(all, context.room(n));
  return html`<div class="list" data-list=${n}><table data-judged=${all.some(isJudged) ? "yes" : nothing}>
      <thead><tr><th scope="col"><span class="unseen">Name</span></th>
        ${columns.map((column) => html`<th scope="col">${column.label}</th>`)}</tr></thead>
      <tbody>${shown.map((row) => html`<tr class="entry">
        <th scope="row"><span class="head">${mark(row.severity)}<span class="name">${row.label === null ? "none" : row.label}</span></span></th>
        ${row.cells.map((cell, at) => html`<td data-severity=${cell.severity}>${figure(cell.value, columns[at].unit)}</td>`)}
      </tr>`)}</tbody>
    </table></div>
    ${more(n, shown.length, all.length, rowCount, context)}`;
}

const isJudged = ({ severity }) => severity !== "NEUTRAL";

/** Returns the shape of a row's severity, with its word for screen readers. The words for all are in the tile's head. */
function mark(severity) {
  const word = severityWord(severity);
  return html`<span class="verdict mark" data-severity=${severity}>${severityShape(severity)}${
    word ? html`<span class="unseen">${word}</span>` : nothing}</span>`;
}

/** Returns how many rows have the two worst severities, past `HEALTHY`; that word if all rows are. */
function summary(all) {
  const judged = all.filter(isJudged);
  const wanted = [...SEVERITIES].reverse().filter((severity) => rank(severity) > rank("HEALTHY"));
  const counts = wanted.map((severity) => [severity, judged.filter((row) => row.severity === severity).length]);
  const found = counts.filter(([, count]) => count > 0).slice(0, 2);
  if (found.length === 0) return judged.length > 0 ? verdict("HEALTHY") : nothing;
  return html`<span class="summary">${found.map(([severity, count]) => verdict(severity, count))}</span>`;
}

function people({ people: { people: all, peopleCount } }, n, context) {
  if (peopleCount === 0) return nothingToShow;
  const shown = all.slice(0, context.room(n));
  return html`<ul class="list" data-list=${n}>${shown.map(({ label, reason, since }) => html`<li class="entry" data-reason=${reason}>
      ${reasonShape(reason)}<span class="name">${label}</span><span class="reason">${reasonWord(reason)}</span>
      <span class="since">${since === null ? "–" : duration(context.now - Date.parse(since))}</span></li>`)}</ul>
    ${more(n, shown.length, all.length, peopleCount, context)}`;
}

const nothingToShow = html`<p class="more">None</p>`;

/**
 * Returns the number of entries that are not shown, as a button where the page has them and can be scrolled. The line is
 * there without any too, so that a list keeps its height.
 */
function more(n, shown, sent, count, { open }) {
  if (shown === count) return html`<p class="more"></p>`;
  const text = `+${figure(count - shown)} more`;
  return html`<p class="more">${open && shown < sent ? html`<button type="button" @click=${() => open(n)}>${text}</button>` : text}</p>`;
}

function chart({ chart: { series } }, n) {
  return html`<ul class="legend">${series.map(({ column, value }, at) => html`<li data-line=${at}>
      <span class="line"></span>${column.label} <b>${figure(value, column.unit)}${column.unit === "PERCENT" ? " %" : ""}</b></li>`)}</ul>
    <div class="plot" data-chart=${n} role="img"></div>`;
}
