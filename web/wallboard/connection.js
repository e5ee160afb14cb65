// The subscription to the board, for as long as the page is open.

const DOCUMENT = `subscription{board{name title theme rotationSeconds position time stalenessMs serverVersion severity
  breaches{key page tile severity text}
  pages{title severity tiles{type title width severity problem unknownIds unknownUsers
    number{column{metric label unit}cell{value severity}of{column{metric label unit}value}}
    rows{columns{metric label unit}rows{key label severity cells{value severity}}rowCount}
    people{people{label reason since}peopleCount}
    chart{hours series{column{metric label unit}value}}}}}}`;

/** Milliseconds without a message after which a connection counts as lost. */
const LOST = 15_000;
/** Milliseconds for the server's acknowledgement. */
const ACKNOWLEDGEMENT = 10_000;
/** Close codes after which another attempt with the link would end in the same way. */
const FINAL = {
  4400: "The service did not understand this page.",
  4401: "The service did not accept this page's subscription.",
  4403: "This link is no longer valid.",
  4406: "The service does not offer the protocol of this page.",
  4409: "The service has this subscription already.",
  4429: "The service has this connection already.",
};

/** Returns the sentence with which the page stops after a close code, or null where it connects again. */
export const finalSentence = (code) => FINAL[code] || null;

/**
 * Returns the milliseconds before an attempt, from 0: a second, doubled each time up to thirty, of which the last half is
 * random, so that walls do not return all at once. `random` is from 0 to 1.
 */
export function delay(attempt, random) {
  const longest = Math.min(30_000, 1_000 * 2 ** Math.min(attempt, 10));
  return longest / 2 + (longest / 2) * random;
}

/** Returns the address of the socket beside a page's address. */
export function socketAddress(page) {
  const address = new URL("graphql", page);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.hash = "";
  return address.href;
}

/**
 * Subscribes until a final close code. `on` has `result` (a GraphQL result), `still` (the moment of a ping) and `ended` (a
 * close code and its reason).
 */
export async function follow(link, on) {
  const url = socketAddress(document.baseURI);
  for (let attempt = 0; ; attempt += 1) {
    const end = await once(url, link, on);
    if (finalSentence(end.code)) return on.ended(end);
    if (end.wasConnected) attempt = 0;
    await pause(delay(attempt, Math.random()));
  }
}

/** Runs one connection. Returns its end: the close code, and whether a message came before it. */
function once(url, link, on) {
  return new Promise((resolve) => {
    let last = performance.now();
    let wasConnected = false;
    const heard = () => {
      last = performance.now();
      wasConnected = true;
    };
    const client = globalThis.graphqlWs.createClient({
      url,
      connectionParams: { link },
      // Attempts are this module's: the client's own do not return to a short delay, and end on any error event.
      retryAttempts: 0,
      connectionAckWaitTimeout: ACKNOWLEDGEMENT,
      on: {
        ping: (isReceived, moment) => {
          if (!isReceived) return;
          heard();
          if (moment) on.still(moment);
        },
      },
    });
    const watch = setInterval(() => {
      if (performance.now() - last > LOST) client.terminate();
    }, 1_000);
    const end = (cause) => {
      clearInterval(watch);
      // A list of errors is the answer to a subscription that was rejected: it may be accepted later.
      const { code = 0, reason = "" } = Array.isArray(cause) ? {} : cause || {};
      resolve({ code, reason, wasConnected });
    };
    client.subscribe({ query: DOCUMENT }, {
      next: (result) => {
        heard();
        on.result(result);
      },
      error: end,
      complete: () => end(null),
    });
  });
}

/** Waits, but not longer than until the browser has a network again. */
function pause(milliseconds) {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      resolve();
    };
    const timer = setTimeout(go, milliseconds);
    addEventListener("online", go);
  });
}
