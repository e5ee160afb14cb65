// A live query, which clients of several transports subscribe to: what they receive, and a query to compare it with.

import assert from "node:assert/strict";

import type { Outage } from "./outage.js";
import { BEARER, EVE, GROUPS, NOW, URL_OF_SERVICE } from "./service.js";

export interface Moment {
    position: number;
    connectedUsersIndicator: { connectedUsersCount: number };
}

const FIELDS = `{position connectedUsersIndicator(groupIds:[${GROUPS.join()}]){connectedUsersCount}}`;
export const SUBSCRIPTION = `subscription{live${FIELDS}}`;
/** The query with the same fields. */
export const QUERY = `{now${FIELDS}}`;

const ask = async <T>(path: string, body: unknown): Promise<T> => {
    const headers = { ...BEARER, "content-type": "application/json" };
    const post = (): Promise<Response> =>
        fetch(URL_OF_SERVICE + path, { method: "POST", headers, body: JSON.stringify(body) });
    let answer = await post();
    // The disk is busy with something else. An event that was taken all the same is not taken twice.
    for (let n = 0; n < 20 && answer.status === 503; n++) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        answer = await post();
    }
    assert.equal(answer.status, 200);
    return (await answer.json()) as T;
};

/** Connects one more agent. */
export const connectOne = async (): Promise<void> => {
    await ask("/v1/events", [{ ...EVE, specversion: "1.0", id: "live-1", time: NOW }]);
};

/** One message of a client. */
interface Message {
    data?: { live: Moment } | null;
    errors?: unknown;
}

export const seen: Moment[] = [];
export const errors: unknown[] = [];
/** Records in `seen` and `errors` what a client receives. */
export const sink = {
    next: ({ data, errors: failed }: Message): void => {
        assert.equal(failed, undefined);
        if (data) seen.push(data.live);
    },
    error: (error: unknown): void => {
        errors.push(error);
    },
    complete: (): void => {},
};

/** Waits until the last value counts so many users. Fails if it does not within ten seconds. */
const reach = async (count: number): Promise<void> => {
    for (let n = 0; n < 200 && seen.at(-1)?.connectedUsersIndicator.connectedUsersCount !== count; n++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(seen.at(-1)?.connectedUsersIndicator.connectedUsersCount, count, JSON.stringify([seen, errors]));
};

/** The answer to the query. Fails unless the last value equals it. */
const compared = async (): Promise<{ data: { now: Moment } }> => {
    const answer = await ask<{ data: { now: Moment } }>("/graphql", { query: QUERY });
    assert.deepEqual(seen.at(-1), answer.data.now);
    return answer;
};

/**
 * Waits for the first value, and for that of one more agent who connects during an outage. Returns the answer to the query,
 * which the last value equals.
 */
export const throughOutage = async (cut: Outage["cut"]): Promise<{ data: { now: Moment } }> => {
    await reach(3);
    const outageEnds = cut(1_000);
    await connectOne();
    await outageEnds;
    await reach(4);
    return compared();
};

/** The first of a client's answers. */
export const first = async (answers: AsyncIterable<unknown>): Promise<unknown> => {
    for await (const answer of answers) return answer;
    return undefined;
};
