// How old the numbers are, by the server's time. Pure but for the clocks that are passed in.

/** Milliseconds without a message after which the numbers are no longer live. The server sends one every 2 s. */
export const SILENCE = 5_000;
/** Age in milliseconds of the server's own data from which it is stale. */
export const STALENESS = 10_000;

/**
 * The server's clock, continued between messages. The browser's own time may be wrong by hours; only differences of it are
 * used. Of its two clocks the one that advanced more counts, since the monotonic one stands still while a computer sleeps.
 */
export class ServerClock {
  constructor(clocks = { monotonic: () => performance.now(), wall: () => Date.now() }) {
    this.clocks = clocks;
    this.moment = null;
  }

  /** Takes the moment of a message: `time` as text, `stalenessMs`. */
  take({ time, stalenessMs }) {
    const at = Date.parse(time);
    if (Number.isNaN(at)) return;
    this.moment = { at, stalenessMs, monotonic: this.clocks.monotonic(), wall: this.clocks.wall() };
  }

  /** Returns the milliseconds since the last message, or null before the first. */
  silence() {
    const { moment, clocks } = this;
    if (!moment) return null;
    return Math.max(0, clocks.monotonic() - moment.monotonic, clocks.wall() - moment.wall);
  }

  /** Returns the server's time now in milliseconds, or null before the first message. */
  now() {
    return this.moment ? this.moment.at + this.silence() : null;
  }

  /** Returns the age of the numbers in milliseconds: the server's own, and the silence since. */
  age() {
    return this.moment ? this.moment.stalenessMs + this.silence() : null;
  }

  /** Returns `waiting` before the first message, `live`, `late` (no message) or `stale` (the server's own data is old). */
  state() {
    if (!this.moment) return "waiting";
    if (this.moment.stalenessMs > STALENESS) return "stale";
    return this.silence() >= SILENCE ? "late" : "live";
  }
}
