// The service that the clients call, and what they expect of it. tenants.py has the people behind the numbers.

import assert from "node:assert/strict";

const setting = (name: string): string => {
    const value = process.env[name];
    assert(value, `${name} is not set`);
    return value;
};

export const URL_OF_SERVICE = setting("SERVICE_URL");
export const KEY = setting("SERVICE_KEY");
export const KEY_ID = setting("SERVICE_KEY_ID");
/** The version of Vonage's operations. */
export const VERSION = { Accept: "application/vnd.newvoicemedia.v1+json" };
export const NOW = new Date().toISOString();
export const BEARER = { authorization: `Bearer ${KEY}` };

/** Two of three groups and campaigns: a list that is dropped, or of which one value is read, gives another number. */
export const GROUPS = [98, 99];
export const GROUP_GUIDS = GROUPS.map((group) => `60000${String(group).padStart(3, "0")}-0000-4000-8000-000000000001`);
export const CAMPAIGNS = [111, 112];
/** Ids as the texts that parameters are. */
export const texts = (ids: number[]): string[] => ids.map(String);
export const SELECTED = [101, 102, 104];
export const RULE = "20000000-0000-4000-9000-000000000001";
export const CONVERSATION = "c0000001-0000-4000-8000-000000000001";

/** The event that connects one more agent of the selection. */
export const EVE = {
    type: "desk.connected",
    source: "/clients",
    subject: "105",
    data: { session: "desk-105" },
} as const;

/** The reason with which `call` is rejected. Fails if it is not. */
export const rejection = async (what: string, call: () => Promise<unknown>): Promise<unknown> => {
    let answer: unknown;
    try {
        answer = await call();
    } catch (reason) {
        return reason;
    }
    assert.fail(`${what} was not rejected: ${JSON.stringify(answer)}`);
};

/** One request of a client: what a fetch function was called with, and the status that was answered. */
export interface Sent {
    method: string;
    url: URL;
    headers: Headers;
    body: string;
    status: number;
}

/** A fetch function that also records what a client sends. */
export const recorder = (): { sent: Sent[]; fetch: typeof globalThis.fetch } => {
    const sent: Sent[] = [];
    const recording: typeof globalThis.fetch = async (input, init) => {
        const request = new Request(input, init);
        const body = await request.clone().text();
        const answer = await globalThis.fetch(request);
        sent.push({
            method: request.method,
            url: new URL(request.url),
            headers: request.headers,
            body,
            status: answer.status,
        });
        return answer;
    };
    return { sent, fetch: recording };
};
