"""Attacks that hold connections: as many as the service has places or descriptors for."""
import asyncio
import random

from client import request
from neighbours import websocket
from neighbours.row import Row

PLACES = 10_000  # the service's default number of connections
FILES = 1_024  # the usual limit of descriptors


class Held(Row):
    budget = "sockets"

    def places(self):
        return self.scaled(PLACES, 100)

    def flags(self):
        return [f"--max-connections={self.places()}"]


class WebSockets(Held):
    name, title = "websockets", "10,000 desks of one key"

    async def prepare(self, stage):
        self.hostile = await stage.hostile(self.scaled(2_500, 25))

    async def attack(self):
        self.is_ready, slots, tried = False, asyncio.Semaphore(100), 0

        async def one(n):
            nonlocal tried
            user, is_first = str(1 + n % self.hostile.users), True
            while not self.done:
                await self.turn()
                desk = None
                try:
                    async with slots:
                        if self.done:
                            return
                        desk = await websocket.connect(self.port, self.hostile.key, user, f"held-{n}")
                    self.answers[desk.status] += 1
                    if not self.is_sink and (500 <= desk.status != 503 or desk.status == 503 and not desk.may_retry):
                        self.odd.append(f"a desk was answered {desk.status}")
                except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
                    self.answers["closed"] += 1
                if is_first:
                    is_first, tried = False, tried + 1
                if desk is not None:
                    if desk.status == 101:
                        await desk.until_closed(lambda: self.done)
                    desk.close()
                if not self.done:
                    await asyncio.sleep(1)

        async def ready():
            while not self.done and tried < self.places():
                await asyncio.sleep(0.05)
            self.is_ready = True

        await asyncio.gather(ready(), *(one(n) for n in range(self.places())))


class HalfHeaders(Held):
    name, title = "half-headers", "10,000 connections that send nothing, or a part of a request's head"
    credential = "none"

    def kinds(self):
        return b"", b"GET /livez HTT", b"POST /v1/events HTTP/1.1\r\nHost: rollcall\r\nContent-Length: 1000\r\n"

    async def attack(self):
        """Sends a byte on each connection from time to time, so that none looks idle."""
        self.is_ready, held, kinds = False, {}, self.kinds()

        async def one(n):
            while not self.done:
                await self.turn()
                try:
                    async with asyncio.timeout(5):
                        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.write(kinds[n % len(kinds)])
                    held[n] = writer
                    await reader.read()
                    self.answers["closed"] += 1
                    writer.transport.abort()
                except (OSError, TimeoutError):
                    self.answers["closed"] += 1
                    held.setdefault(n, None)
                if not self.done:
                    await asyncio.sleep(0.2)

        tasks = []
        try:
            for n in range(self.places()):
                if self.done:
                    break
                tasks.append(asyncio.create_task(one(n)))
                if n % 100 == 0:
                    await asyncio.sleep(0.01)
            self.is_ready = len(held) >= self.places()
            while not self.done:
                open_now = [n for n, writer in held.items() if writer and not writer.is_closing()]
                for n in random.sample(open_now, min(200, len(open_now))):
                    if kinds[n % len(kinds)]:
                        held[n].write(b" ")
                await asyncio.sleep(0.1)
                self.is_ready = len(held) >= self.places()
        finally:
            for task in tasks:
                task.cancel()
            for writer in held.values():
                if writer:
                    writer.transport.abort()
            await asyncio.gather(*tasks, return_exceptions=True)


class DrippedBodies(HalfHeaders):
    name, title = "dripped-bodies", "10,000 connections that send a body byte by byte"
    credential = "a key of another tenant"

    def kinds(self):
        return (request("POST", "/v1/events", self.hostile.key, b" " * 1000)[:-999],)


class IdleSockets(HalfHeaders):
    name, title = "idle-sockets", "1,100 idle connections, and 1,024 descriptors"
    descriptors = FILES

    def flags(self):
        return []

    def places(self):
        return 1_100

    def kinds(self):
        return (b"",)


class IdleConnections(Held):
    """Keeps more connections than there are places, idle after a request of a tenant, and replaces closed ones."""
    name, title = "idle-connections", "11,000 connections that are idle after one request, replaced without end"

    async def attack(self):
        data = request("GET", "/skill", self.hostile.key)
        await self.hold(self.places() * 11 // 10, data)


ROWS = (WebSockets, HalfHeaders, DrippedBodies, IdleSockets, IdleConnections)
