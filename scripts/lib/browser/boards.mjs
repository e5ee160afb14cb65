// Boards in the states in which the wallboard is looked at, as the service sends them.
const column = (metric, label, unit = "PEOPLE") => ({ metric, label, unit });
export const AVAILABLE = column("AVAILABLE", "Available");
const FULL = column("FULL", "Full"), AWAY = column("AWAY", "Away");
const CONNECTED = column("CONNECTED", "Connected"), OCCUPANCY = column("OCCUPANCY_RATE", "Occupancy", "PERCENT");
const SEVERITIES = ["NEUTRAL", "HEALTHY", "MONITOR", "WARNING", "CRITICAL", "UNAVAILABLE"];
const worst = (all) => SEVERITIES[Math.max(0, ...all.map((one) => SEVERITIES.indexOf(one)))];

/** The bands of available ÷ connected. */
export function health(available, connected) {
  if (connected === 0) return "NEUTRAL";
  const rate = available / connected;
  if (available === 0) return "UNAVAILABLE";
  return rate <= 0.05 ? "CRITICAL" : rate < 0.1 ? "WARNING" : rate <= 0.2 ? "MONITOR" : "HEALTHY";
}

const tile = (type, title, width, severity, content) => ({
  type, title, width, severity, problem: null, unknownIds: [], unknownUsers: 0, number: null, rows: null, people: null, chart: null, ...content,
});

export function number(title, column, value, { width = 1, severity = "NEUTRAL", of = null } = {}) {
  return tile("NUMBER", title, width, severity, { number: { column, cell: { value, severity }, of } });
}

export function rows(title, list, { width = 1, rowCount = list.length } = {}) {
  const made = list.map(([label, available, full, away, connected], n) => {
    const severity = health(available, connected);
    const plain = (value) => ({ value, severity: "NEUTRAL" });
    return { key: label === null ? "" : `${n}`, label, severity, cells: [{ value: available, severity }, plain(full), plain(away), plain(connected)] };
  });
  return tile("ROWS", title, width, worst(made.map((one) => one.severity)), { rows: { columns: [AVAILABLE, FULL, AWAY, CONNECTED], rows: made, rowCount } });
}

export function people(list, { width = 1, peopleCount = list.length } = {}) {
  return tile("PEOPLE", "People", width, "NEUTRAL", { people: { people: list, peopleCount } });
}

export function chart(available, connected, { width = 1 } = {}) {
  return tile("CHART", "Available and connected", width, "NEUTRAL",
    { chart: { hours: 8, series: [{ column: AVAILABLE, value: available }, { column: CONNECTED, value: connected }] } });
}

const NAMES = "Ada Grace Edsger Barbara Alan Katherine Dennis Radia Ken Frances Donald Hedy Tim Margaret Linus Joan John Annie Claude Evelyn Niklaus Mary Tony Jean Robin Sophie Leslie Karen Butler Susan".split(" ");
const REASONS = ["AVAILABLE", "FULL", "BLOCKED", "SWITCHED_OFF", "NOT_ROUTABLE", "AWAY", "EXTENDED_AWAY"];

/** People with the best reason first, then the longest in it. */
export function persons(count, time, available) {
  return Array.from({ length: count }, (_, n) => {
    const reason = n < available ? "AVAILABLE" : REASONS[1 + Math.min(5, Math.floor(((n - available) / Math.max(1, count - available)) ** 2 * 6))];
    const name = NAMES[n % NAMES.length] + (n >= NAMES.length ? ` ${String.fromCharCode(65 + (Math.floor(n / NAMES.length) % 26))}.` : "");
    return { label: name, reason, since: n % 17 === 16 ? null : new Date(time - ((n * 7919) % 5400) * 1000 - 20_000).toISOString() };
  });
}

const SKILLS = ["english", "french", "german", "spanish", "italian", "dutch", "billing", "returns", "technical support, second line", "sales", "retention", "vip", "portuguese", "polish", "fraud", "latin"];
const GROUPS = ["North", "South", "Evening", "Partners"];

export function board(pages, more = {}) {
  const breaches = [];
  pages.forEach((page, at) => page.tiles.forEach((one, n) => {
    if (["WARNING", "CRITICAL", "UNAVAILABLE"].includes(one.severity)) breaches.push({ key: `${at}.${n}`, page: at, tile: n, severity: one.severity, text: `${one.title}: ${one.severity.toLowerCase()}.` });
  }));
  const made = pages.map((page) => ({ title: null, severity: worst(page.tiles.map((one) => one.severity)), ...page }));
  return { name: "default", title: "Service floor", theme: "AUTO", rotationSeconds: null, position: 1, stalenessMs: 12, serverVersion: "0.2.0",
    severity: worst(made.map((one) => one.severity)), breaches, pages: made, ...more };
}

/** The built-in board. `skills` are those of which few can take work. */
export function standard({ available = 34, connected = 120, full = 61, away = 25, people: count = connected, time = Date.now(), low = [] } = {}) {
  const share = (n, part) => Math.max(0, Math.round((n * part) / 10));
  const skill = (name, n) => {
    const part = [6, 5, 4, 3, 3, 2, 4, 3, 2, 5, 2, 1, 1, 1, 1, 0][n];
    const of = share(connected, part);
    return [name, low.includes(name) ? Math.min(1, of) : share(available, part), share(full, part), share(away, part), of];
  };
  const group = (name, n) => [name, share(available, [4, 3, 2, 1][n]), share(full, [4, 3, 2, 1][n]), share(away, [4, 3, 2, 1][n]), share(connected, [4, 3, 2, 1][n])];
  const listed = persons(Math.min(count, 100), time, available);
  return board([{ tiles: [
    number("Available", AVAILABLE, available, { width: 2, severity: health(available, connected), of: { column: CONNECTED, value: connected } }),
    number("Full", FULL, full), number("Away", AWAY, away),
    number("Connected", CONNECTED, connected, { of: { column: column("PEOPLE", "People"), value: Math.max(connected, 200) } }),
    number("Occupancy", OCCUPANCY, connected ? 73.4 : null),
    rows("By skill", count ? SKILLS.map(skill) : []), rows("By group", count ? [...GROUPS.map(group), [null, 1, 0, 1, 2]] : []),
    people(listed, { peopleCount: count }), chart(available, connected),
  ] }]);
}

/** Boards by the state that they show; `time` is now, in milliseconds. */
export const BOARDS = {
  default: (time) => standard({ time }),
  monitor: (time) => standard({ time, available: 17 }),
  warn: (time) => standard({ time, available: 11, low: ["spanish"] }),
  alert: (time) => standard({ time, available: 5, full: 90, low: ["spanish", "technical support, second line"] }),
  unavailable: (time) => standard({ time, available: 0, full: 95, away: 25 }),
  empty: (time) => standard({ time, available: 0, connected: 0, full: 0, away: 0, people: 0 }),
  crowd: (time) => board([{ title: "People", tiles: [people(persons(500, time, 140), { width: 4 })] }]),
  many: (time) => board([
    { title: "Now", tiles: standard({ time, available: 11 }).pages[0].tiles },
    { title: "Teams", tiles: [...GROUPS, "Chat", "Call", "Video", "Night"].map((title, n) => number(title, AVAILABLE, [12, 3, 240, 0, 7, 18, 1, 99][n], { severity: ["HEALTHY", "WARNING", "NEUTRAL", "UNAVAILABLE", "MONITOR", "HEALTHY", "CRITICAL", "HEALTHY"][n], of: { column: CONNECTED, value: [40, 33, 900, 12, 40, 60, 30, 200][n] } })) },
    { title: "Skills", tiles: [{ ...rows("By skill", SKILLS.map((name, n) => [name, n, 12, 4, 40]), { width: 4, rowCount: 28 }), unknownIds: ["skill 99"] }] },
    { title: "Trouble", tiles: [{ ...number("Available", AVAILABLE, 1), problem: "This tile costs more than the board's budget.", number: null }] },
  ], { rotationSeconds: 20 }),
};
