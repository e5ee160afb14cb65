// Which page of the board is shown. Pure.

import { weight } from "./words.js";

/** Milliseconds without rotation after a key or a tap. */
export const HOLD = 60_000;

/** Returns the places of the pages in their order of rotation: pages with a breach first, the worst before the others. */
export function order(pages) {
  const places = pages.map((_, place) => place);
  const weightOf = (place) => weight(pages[place].severity);
  return places.sort((one, other) => weightOf(other) - weightOf(one) || one - other);
}

/** The page that is shown, with the time since which it is, in milliseconds of one clock. */
export class Rotation {
  constructor() {
    Object.assign(this, { place: null, since: 0, heldUntil: 0 });
  }

  /** Shows a page for as long as a person may need. */
  choose(place, now) {
    this.show(place, now);
    this.hold(now);
  }

  /** Keeps the page for a minute. */
  hold(now) {
    this.heldUntil = now + HOLD;
  }

  show(place, now) {
    Object.assign(this, { place, since: now });
  }

  /** Takes the board's pages and the places with a new breach. Returns the place of the page to be shown. */
  step({ pages, rotationSeconds }, fresh, now) {
    const places = order(pages);
    const first = rotationSeconds ? places[0] : 0;
    if (this.place === null || this.place >= pages.length) {
      this.show(first, now);
    } else if (rotationSeconds && now >= this.heldUntil) {
      const urgent = places.find((place) => fresh.includes(place));
      const isDue = now - Math.max(this.since, this.heldUntil) >= rotationSeconds * 1_000;
      if (urgent !== undefined && urgent !== this.place) this.show(urgent, now);
      else if (isDue) this.show(places[(places.indexOf(this.place) + 1) % places.length], now);
    }
    return this.place;
  }
}
