// What this page saw, for the charts: kept in the browser's storage, so that a reload continues it.

const PREFIX = "rollcall-wallboard:";
/** The most points of a line. */
const POINTS = 1_440;
/** Seconds by which a time may be before the newest point. If it is more, the server's clock was set back. */
const BACK = 300;

/** Returns a short name for a link, from which the link cannot be found: storage is shared by all boards of an origin. */
export function nickname(link) {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (const character of link) {
    high = Math.imul(high ^ character.charCodeAt(0), 2654435761);
    low = Math.imul(low ^ character.charCodeAt(0), 1597334677);
  }
  return ((high >>> 0).toString(36) + (low >>> 0).toString(36)).slice(0, 12);
}

/** The values of one chart by time. A bucket of time has one point, its newest; buckets without messages have none. */
export class History {
  /** `hours` is the span that is kept, `count` the number of lines. */
  constructor(hours, count) {
    Object.assign(this, { span: hours * 3600, bucket: (hours * 3600) / POINTS, count });
    this.times = [];
    this.lines = Array.from({ length: count }, () => []);
  }

  /** Adds the values of a time in seconds; a time shortly before the newest is ignored. */
  add(time, values) {
    const at = Math.floor(time / this.bucket) * this.bucket;
    let newest = this.times[this.times.length - 1];
    if (at < newest - BACK) {
      const kept = this.times.filter((one) => one < at).length;
      [this.times, ...this.lines].forEach((list) => list.splice(kept));
      newest = this.times[kept - 1];
    }
    if (at < newest) return;
    if (at > newest || newest === undefined) {
      this.times.push(at);
      this.lines.forEach((line, n) => line.push(values[n]));
    } else {
      this.lines.forEach((line, n) => { line[line.length - 1] = values[n]; });
    }
    const old = this.times.findIndex((one) => one > at - this.span);
    if (old > 0) [this.times, ...this.lines].forEach((list) => list.splice(0, old));
  }

  /** Returns the times and the lines, with an empty point in each gap of more than a minute and two buckets. */
  points() {
    const gap = Math.max(60, 2 * this.bucket) + this.bucket;
    const lists = [this.times, ...this.lines].map(() => []);
    this.times.forEach((time, n) => {
      if (n > 0 && time - this.times[n - 1] > gap) {
        lists[0].push(this.times[n - 1] + this.bucket);
        lists.slice(1).forEach((list) => list.push(null));
      }
      lists[0].push(time);
      lists.slice(1).forEach((list, line) => list.push(this.lines[line][n]));
    });
    return lists;
  }

  toJSON() {
    return { times: this.times, lines: this.lines };
  }

  /** Takes what `toJSON` gave, if it fits. */
  restore(saved) {
    const { times, lines } = saved || {};
    const fits = Array.isArray(times) && Array.isArray(lines) && lines.length === this.count
      && lines.every((line) => Array.isArray(line) && line.length === times.length);
    if (!fits) return;
    for (let n = 0; n < times.length; n += 1) this.add(times[n], lines.map((line) => line[n]));
  }
}

/** The histories of all charts of a board. */
export class Histories {
  constructor(link, storage) {
    Object.assign(this, { prefix: `${PREFIX}${nickname(link)}:`, storage, byKey: new Map() });
  }

  /** Returns the history of a chart, which is that of its metrics, wherever it is on the board. */
  of(title, { hours, series }) {
    const key = `${this.prefix}${hours}:${title}:${series.map((one) => one.column.metric).join(",")}`;
    let history = this.byKey.get(key);
    if (!history) {
      history = new History(hours, series.length);
      history.key = key;
      history.restore(read(this.storage, key));
      this.byKey.set(key, history);
    }
    return history;
  }

  /** Saves all. A browser without storage, or a full one, loses the lines at a reload and nothing else. */
  save() {
    for (const [key, history] of this.byKey) {
      try {
        this.storage.setItem(key, JSON.stringify(history));
      } catch {
        return;
      }
    }
  }

  /** Removes what other links left behind, once its newest point is a day old at `now`, in seconds. */
  tidy(now) {
    try {
      const keys = Object.keys(this.storage).filter((key) => key.startsWith(PREFIX) && !key.startsWith(this.prefix));
      for (const key of keys) {
        const times = (read(this.storage, key) || {}).times || [];
        if (!(now - times[times.length - 1] < 86_400)) this.storage.removeItem(key);
      }
    } catch {
      // Storage is switched off: there is nothing to remove.
    }
  }
}

function read(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

/** Returns a storage of the browser by its name, or null where it is switched off. */
export function storage(name) {
  try {
    return globalThis[name];
  } catch {
    return null;
  }
}
