"""Attacks that request answers and never read them."""
import asyncio
import socket
import time

from client import request
from neighbours.row import Row

RECEIVE_BYTES = 4096
CLOSED_MOST = 60.0  # seconds within which a connection with an unread answer must be closed
ESTABLISHED = "01"  # the state in /proc/net/tcp
TRIED = 20  # connections for that check


class Unread(Row):
    """At full scale, also checks that the service closes connections that never read their answers."""

    sockets = 0

    def data(self):
        raise NotImplementedError

    async def attack(self):
        await self.hold(self.scaled(self.sockets), self.data(), RECEIVE_BYTES)

    async def judge(self, stage, turns):
        if self.scale < 1:
            return []
        loop, held = asyncio.get_running_loop(), []
        try:
            for _ in range(TRIED):
                one = socket.socket()
                held.append(one)
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
                await loop.sock_connect(one, ("127.0.0.1", stage.service.port))
                await asyncio.wait_for(loop.sock_sendall(one, self.data()), 30)
            began, ports = time.monotonic(), {one.getsockname()[1] for one in held}
            while time.monotonic() < began + CLOSED_MOST:
                await asyncio.sleep(1)
                if not open_ports(stage.service.port) & ports:
                    turns.notes["closed after"] = f"{time.monotonic() - began:.0f} s"
                    return []
            return [f"connections with unread answers are still open after {CLOSED_MOST:.0f} s"]
        finally:
            for one in held:
                one.close()


def open_ports(port):
    """Returns the remote ports of the open connections to a local port."""
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return {int(there.split(":")[1], 16) for _, here, there, state, *_ in rows
            if state == ESTABLISHED and int(here.split(":")[1], 16) == port}


class UnreadScript(Unread):
    name, title = "unread-script", "600 sockets that ask for a page's script 20 times and read nothing"
    credential, budget, sockets = "none", "answers", 600

    def data(self):
        return request("GET", "/docs/swagger-ui-bundle.js") * 20


class UnreadDirectory(Unread):
    name, title = "unread-directory", "40 sockets that ask for a directory of 25,000 users and read nothing"
    budget, sockets = "answers", 40

    async def prepare(self, stage):
        self.hostile = await stage.connected(self.scaled(25_000, 25))

    def data(self):
        return request("GET", "/v1/directory", self.hostile.key)


ROWS = (UnreadScript, UnreadDirectory)
