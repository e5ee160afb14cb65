// The shape of each state. Shapes differ in outline, so that they can be told apart without colours.

import { nothing, svg } from "./lit-html.js";

// In a square of 16, drawn in the colour of the text around it.
const PATHS = {
  disc: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Z",
  ring: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm0 2.2a4.3 4.3 0 1 1 0 8.6 4.3 4.3 0 0 1 0-8.6Z",
  half: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm0 2v9a4.5 4.5 0 0 1 0-9Z",
  square: "M2.5 2.5h11v11h-11Z",
  frame: "M2 2h12v12H2Zm2.3 2.3v7.4h7.4V4.3Z",
  diamond: "M8 .8 15.2 8 8 15.2.8 8Zm0 3.4L4.2 8 8 11.8 11.8 8Z",
  triangle: "M8 1.2 15.5 14.5H.5ZM7.1 6v4.2h1.8V6Zm0 5.2v1.7h1.8v-1.7Z",
  octagon: "M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5Zm2 3v5h2v-5Zm0 6.4v2h2v-2Z",
  cross: "M3.3 1.2 8 5.9l4.7-4.7 2.1 2.1L10.1 8l4.7 4.7-2.1 2.1L8 10.1l-4.7 4.7-2.1-2.1L5.9 8 1.2 3.3Z",
  check: "M8 .8a7.2 7.2 0 1 0 0 14.4A7.2 7.2 0 0 0 8 .8Zm3.5 4 1.5 1.5-5.9 6L3.6 8.8l1.5-1.5 2 2Z",
  clock: "M8 .8a7.2 7.2 0 1 0 0 14.4A7.2 7.2 0 0 0 8 .8Zm-.9 3h1.9v4l2.8 1.7-1 1.6-3.7-2.3Z",
  pause: "M3 2h3.5v12H3Zm6.5 0H13v12H9.5Z",
  play: "M3.5 1.5 14 8 3.5 14.5Z",
  dash: "M2.5 6.8h11v2.4h-11Z",
  sound: "M1 5.5h3L8 2v12l-4-3.5H1Zm9-.7 1-1.4a5.5 5.5 0 0 1 0 9.2l-1-1.4a3.8 3.8 0 0 0 0-6.4Z",
  silent: "M1 5.5h3L8 2v12l-4-3.5H1Zm9 .9L11.1 5.3l1.4 1.5 1.5-1.5 1 1.1L13.6 8 15 9.5l-1 1.1-1.5-1.5-1.4 1.5L10 9.5 11.5 8Z",
};

const SEVERITIES = { HEALTHY: "check", MONITOR: "diamond", WARNING: "triangle", CRITICAL: "octagon", UNAVAILABLE: "cross" };

const REASONS = {
  AVAILABLE: "disc", RESERVED: "clock", FULL: "square", BLOCKED: "frame", SWITCHED_OFF: "pause", NOT_ROUTABLE: "diamond",
  AWAY: "half", EXTENDED_AWAY: "ring", DISABLED: "dash", OFFLINE: "cross",
};

/** Returns a shape by its name. The word beside it says the same to screen readers. */
export function shape(name) {
  return svg`<svg class="shape" viewBox="0 0 16 16" aria-hidden="true"><path fill-rule="evenodd" d=${PATHS[name]}></path></svg>`;
}

/** Returns the shape of a severity, nothing for `NEUTRAL`. */
export const severityShape = (severity) => (SEVERITIES[severity] ? shape(SEVERITIES[severity]) : nothing);

/** Returns the shape of a reason. */
export const reasonShape = (reason) => shape(REASONS[reason] || "ring");
