// A client of graphql-ws as docs/guide/live.md sets it, for the clients that subscribe through it.

import { type Client, createClient } from "graphql-ws";
import WebSocket from "ws";

import { KEY } from "../service.js";

const FINAL = [4400, 4401, 4403, 4406, 4409, 4429];

/** A client of the service at an address; `onPing` is called for each ping that it receives. */
export const connect = (url: string, onPing: () => void = () => {}): Client =>
    createClient({
        url: `${url.replace("http", "ws")}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: () => ({ authorization: `Bearer ${KEY}` }),
        retryAttempts: Infinity,
        retryWait: () => new Promise((resolve) => setTimeout(resolve, 200)),
        shouldRetry: (event) => !FINAL.includes((event as { code?: number }).code ?? 0),
        on: {
            ping: (received) => {
                if (received) onPing();
            },
        },
    });
