// A pasted key becomes a link, and is forgotten.

/** Hours for which the link of a pasted key is valid. */
const HOURS = 12;

/** Returns the link for a key and a board. Fails with a sentence for the person at the screen. */
export async function exchange(key, board) {
  const address = new URL(`v1/wallboards/${encodeURIComponent(board)}/links`, document.baseURI);
  let answer;
  try {
    answer = await fetch(address.href, {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ hours: HOURS }),
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
    });
  } catch {
    throw new Error("The service cannot be reached. Try again.");
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok && typeof body.link === "string") return body.link;
  throw new Error(sentence(answer.status, body.detail));
}

/** Returns what a person can do about a rejected exchange. */
export function sentence(status, detail) {
  if (status === 401) return "The service does not accept this key.";
  if (status === 403) return `This key may not show the board${detail ? `: ${detail}` : "."}`;
  if (status === 404) return "There is no board of this name.";
  if (status === 429 || status === 503) return "The service is busy. Try again in a moment.";
  return `The service answered ${status}${detail ? `: ${detail}` : "."}`;
}
