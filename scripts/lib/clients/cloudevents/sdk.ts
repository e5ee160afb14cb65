// The SDK of CloudEvents for JavaScript: the emitter in its default mode, which is binary, and in structured mode;
// messages that axios and fetch send; and data that is bytes.

import assert from "node:assert/strict";

import axios from "axios";
import { CloudEvent, emitterFor, HTTP, httpTransport, Mode, type Message } from "cloudevents";

import { BEARER, EVE, GROUPS, URL_OF_SERVICE } from "../service.js";

const address = `${URL_OF_SERVICE}/v1/events`;

const connected = async (): Promise<number> => {
    const query = `{connectedUsersIndicator(groupIds:[${GROUPS}]){connectedUsersCount}}`;
    const answer = await axios.post(`${URL_OF_SERVICE}/graphql`, { query }, { headers: BEARER });
    return answer.data.data.connectedUsersIndicator.connectedUsersCount;
};
const outcome = (body: unknown): string => {
    const { results } = JSON.parse(String(body)) as { results: [{ outcome: string }] };
    return results[0].outcome;
};
const emitted = async (answer: Promise<unknown>): Promise<string> => outcome(((await answer) as { body: string }).body);
/** Sends what the SDK made, with fetch. */
const send = async ({ headers, body }: Message): Promise<string> => {
    const answer = await fetch(address, {
        method: "POST",
        headers: { ...(headers as Record<string, string>), ...BEARER },
        body: String(body),
    });
    return outcome(await answer.text());
};

assert.equal(await connected(), 3);
const emit = emitterFor(httpTransport(address));
const event = new CloudEvent(EVE);
assert.equal(await emitted(emit(event, { headers: BEARER })), "applied", "binary mode, the default");
assert.equal(await connected(), 4);
assert.equal(await emitted(emit(event, { headers: BEARER })), "duplicate");

const structured = emitterFor(httpTransport(address), { mode: Mode.STRUCTURED });
const beat = (data: object | Uint8Array, more = {}) =>
    new CloudEvent({ ...EVE, type: "desk.heartbeat", data, ...more });
assert.equal(await emitted(structured(beat(EVE.data), { headers: BEARER })), "applied", "structured mode");
assert.equal(
    await send(HTTP.binary(beat(EVE.data, { comexampleextension: "a b" }))),
    "applied",
    "a message in binary mode",
);
assert.equal(await send(HTTP.structured(beat(EVE.data))), "applied", "a message in structured mode");
const bytes = new TextEncoder().encode(JSON.stringify(EVE.data));
assert.equal(await send(HTTP.structured(beat(bytes))), "applied", "bytes, sent as data_base64");

const { headers, body } = HTTP.binary(beat(EVE.data));
const answer = await axios.post(address, body, { headers: { ...(headers as Record<string, string>), ...BEARER } });
assert.equal(answer.data.results[0].outcome, "applied", "sent by axios");

const bad = new CloudEvent({ ...EVE, type: "desk.conected" });
const { results } = JSON.parse(((await emit(bad, { headers: BEARER })) as { body: string }).body);
assert.equal(results[0].outcome, "rejected");
assert.match(JSON.stringify(results[0]), /desk\.connected/, "the type that was meant is suggested");
console.log("CloudEvents SDK for JavaScript: 11 checks");
