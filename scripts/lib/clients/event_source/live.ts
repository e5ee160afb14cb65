// An EventSource with a ticket, as a page has it: the last event equals the breakdown, also after the connection was cut.
// It connects again by itself, and with a new ticket after a status that ends it for good.

import assert from "node:assert/strict";

import { EventSource } from "eventsource";

import { connectOne } from "../live.js";
import { outage } from "../outage.js";
import { BEARER, GROUPS, URL_OF_SERVICE } from "../service.js";

interface Breakdown {
    position: number;
    total: { connected: number };
}

const QUERY = new URLSearchParams({ by: "channel", group: GROUPS.join() }).toString();
const { url, cut, end } = await outage();

/** The path of the stream, with a ticket that the page's back end makes. */
const pathOf = async (query: string): Promise<string> => {
    const headers = { ...BEARER, "content-type": "application/json" };
    const made = await fetch(`${URL_OF_SERVICE}/v1/live/tickets`, { method: "POST", headers, body: JSON.stringify({ query }) });
    assert.equal(made.status, 201);
    return ((await made.json()) as { path: string }).path;
};

const seen: Breakdown[] = [];
const ids: number[] = [];
let stills = 0;
const listen = (path: string): EventSource => {
    const source = new EventSource(url + path);
    for (const name of ["moment", "reset"]) {
        source.addEventListener(name, (event) => {
            seen.push(JSON.parse(event.data as string) as Breakdown);
            ids.push(Number(event.lastEventId));
        });
    }
    source.addEventListener("still", () => stills++);
    return source;
};

/** Waits until something holds. Fails if it does not within 20 seconds: five of them are the longest wait for a retry. */
const until = async (what: string, holds: () => boolean): Promise<void> => {
    for (let n = 0; n < 400 && !holds(); n++) await new Promise((resolve) => setTimeout(resolve, 50));
    assert(holds(), `${what}: ${JSON.stringify(seen)}`);
};
const reach = (count: number): Promise<void> => until(`${count} users`, () => seen.at(-1)?.total.connected === count);

const source = listen(await pathOf(QUERY));
await reach(3);
const outageEnds = cut(1_000);
await connectOne();
await outageEnds;
await reach(4);
const answer = await fetch(`${URL_OF_SERVICE}/v1/breakdown?${QUERY}`, { headers: BEARER });
const strip = ({ time: _, staleness_ms: __, ...lasting }: Record<string, unknown>): unknown => lasting;
const last = seen.at(-1) as unknown as Record<string, unknown>;
assert.deepEqual(strip(last), strip((await answer.json()) as Record<string, unknown>));
assert.deepEqual(
    ids,
    seen.map((breakdown) => breakdown.position),
);
assert.deepEqual(ids, [...ids].sort((one, other) => one - other));
await until("a still", () => stills > 0);
source.close();

// A ticket for another query ends it for good, as each status but 200.
const wrong = new EventSource(url + (await pathOf("by=skill")).replace("by=skill", "by=group"));
await until("the end", () => wrong.readyState === EventSource.CLOSED);
const again = listen(await pathOf(QUERY));
const before = seen.length;
await until("a new ticket", () => seen.length > before);
again.close();
end();
console.log("EventSource: 8 checks");
