// The words, numbers and times that the page shows. Pure.

/** Severities from nothing to say to the worst, as the server ranks them. */
export const SEVERITIES = ["NEUTRAL", "HEALTHY", "MONITOR", "WARNING", "CRITICAL", "UNAVAILABLE"];

const WORDS = { HEALTHY: "Healthy", MONITOR: "Monitor", WARNING: "Warning", CRITICAL: "Critical", UNAVAILABLE: "Unavailable" };

const REASONS = {
  AVAILABLE: "Available", RESERVED: "Reserved", FULL: "Full", BLOCKED: "Blocked", SWITCHED_OFF: "Switched off",
  NOT_ROUTABLE: "Not routable", AWAY: "Away", EXTENDED_AWAY: "Extended away", DISABLED: "Disabled", OFFLINE: "Offline",
};

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Returns the rank of a severity, 0 for nothing to say and for one that this page does not have yet. */
export const rank = (severity) => Math.max(0, SEVERITIES.indexOf(severity));

/** Returns true for a severity past a threshold. */
export const isBreach = (severity) => rank(severity) >= rank("WARNING");

/** Returns the rank of a severity past a threshold, 0 for any other. */
export const weight = (severity) => (isBreach(severity) ? rank(severity) : 0);

/** Returns the word of a severity, empty for `NEUTRAL`. */
export const severityWord = (severity) => WORDS[severity] || "";

/** Returns the word of a reason. */
export const reasonWord = (reason) => REASONS[reason] || reason;

/** Returns a number as text, with a dash for none. Percentages below ten have a decimal: 0.4 % is not 0. */
export function figure(value, unit) {
  if (value === null || value === undefined) return "–";
  const isFine = unit === "PERCENT" && value !== 0 && Math.abs(value) < 9.95;
  return (isFine ? TENTHS : WHOLE).format(value);
}

/** Returns a duration in the largest unit that says enough: `48 s`, `12 min`, `3 h 05`, `2 d`. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, "0")}`;
  return `${Math.floor(hours / 24)} d`;
}

/** Returns a time of day in the browser's zone. */
export const clock = (time) => CLOCK.format(time);
