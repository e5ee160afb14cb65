// Breaches of thresholds: which are new, and what is said about them. Pure.

import { rank } from "./words.js";

/** Milliseconds between two sentences, so that a screen reader is not flooded. */
export const INTERVAL = 5_000;

/** The breaches under way. */
export class Breaches {
  constructor() {
    this.known = new Map();
  }

  /** Takes the board's breaches. Returns those that are new, and those that became worse. */
  update(breaches) {
    const fresh = breaches.filter((one) => !(rank(this.known.get(one.key)) >= rank(one.severity)));
    this.known = new Map(breaches.map((one) => [one.key, one.severity]));
    return fresh;
  }

  /** Returns true while a breach is under way. */
  has(key) {
    return this.known.has(key);
  }
}

/** Sentences that wait for their turn. `say` shows one to screen readers. */
export class Announcer {
  constructor(say) {
    Object.assign(this, { say, waiting: [], last: -Infinity });
  }

  /** Adds a sentence. `holds` returns false once it is no longer true: then it is dropped. */
  add(text, holds = () => true) {
    this.waiting.push({ text, holds });
  }

  /** Says the next sentence that still holds, unless one was said within the interval. */
  tick(now) {
    if (now - this.last < INTERVAL) return;
    this.waiting = this.waiting.filter((one) => one.holds());
    const next = this.waiting.shift();
    if (!next) return;
    this.last = now;
    this.say(next.text);
  }
}
