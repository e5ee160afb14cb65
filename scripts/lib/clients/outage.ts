// An outage of the service for one client: a proxy whose connections are cut, and which refuses new ones for a while.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

import { URL_OF_SERVICE } from "./service.js";

export interface Outage {
    /** The address of the service through the proxy. */
    url: string;
    /** Cuts every connection, and refuses new ones for this many milliseconds. */
    cut: (milliseconds: number) => Promise<void>;
    /** Ends the proxy. */
    end: () => void;
}

export const outage = async (): Promise<Outage> => {
    const { hostname, port } = new URL(URL_OF_SERVICE);
    const sockets = new Set<Socket>();
    const server = createServer((client) => {
        const service = connect(Number(port), hostname);
        for (const [from, to] of [
            [client, service],
            [service, client],
        ] as const) {
            sockets.add(from);
            from.pipe(to);
            from.on("error", () => to.destroy());
            from.on("close", () => {
                sockets.delete(from);
                to.destroy();
            });
        }
    });
    const listen = async (at: number): Promise<number> => {
        server.listen(at, "127.0.0.1");
        await once(server, "listening");
        return (server.address() as AddressInfo).port;
    };
    const own = await listen(0);
    const close = (): void => {
        server.close();
        for (const socket of sockets) socket.destroy();
    };
    const cut = async (milliseconds: number): Promise<void> => {
        close();
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        await listen(own);
    };
    return { url: `http://127.0.0.1:${own}`, cut, end: close };
};
