"""Attacks by connected desks that send messages without end."""
import asyncio
import itertools
import uuid

from neighbours import websocket
from neighbours.row import Row

RATE = 1_000  # requests a second of one tenant; the others send about 350
AT_ONCE = 64  # messages that are sent at once


class Talking(Row):
    budget, sockets = "desks", 1

    def next_message(self):
        raise NotImplementedError

    async def attack(self):
        await asyncio.gather(*(self.talk(n) for n in range(self.sockets)))

    async def talk(self, n):
        while not self.done:
            desk = None
            try:
                desk = await websocket.connect(self.port, self.hostile.key, str(1 + n), f"talking-{n}")
                if desk.status == 101:
                    await asyncio.gather(self.send(desk), self.receive(desk))
                else:
                    self.answers[desk.status] += 1
            except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
                self.answers["closed"] += 1
            finally:
                if desk is not None:
                    desk.close()
            await asyncio.sleep(0.1)

    async def send(self, desk):
        """Sends messages. The transport's buffer is bounded, so a service that does not read slows this down."""
        while not self.done and not desk.reader.at_eof():
            desk.writer.write(b"".join(self.next_message() for _ in range(AT_ONCE)))
            self.count += AT_ONCE - 1
            await self.turn()
            await desk.writer.drain()
            await asyncio.sleep(0)

    async def receive(self, desk):
        if self.is_sink:
            return await desk.until_closed(lambda: self.done)
        while not self.done:
            try:
                async with asyncio.timeout(1):
                    said = await desk.read()
            except TimeoutError:
                continue
            if said is not None:
                self.answers[said["type"]] += 1


class Flooding(Talking):
    name, title = "flooding-desk", "one desk that sends events and heartbeats without end"
    made = itertools.count()

    def flags(self):
        return [f"--tenant-rate={RATE}"]

    def next_message(self):
        n = next(self.made)
        if n % 10:
            return websocket.message({"type": "heartbeat"})
        return websocket.message({"type": "event", "id": uuid.uuid4().hex, "event": {
            "type": "status.changed", "data": {"presence": ("Ready", "Away")[n // 10 % 2]}}})

    async def judge(self, _stage, turns):
        """Checks that messages count as requests: no more are accepted than the tenant's rate allows."""
        taken = turns.answers.get("ack", 0) + turns.answers.get("heartbeat", 0)
        allowed = RATE * (turns.attacked + 2 * turns.options.rounds)
        return [f"{taken} messages of one desk were taken in {turns.attacked:.0f} s at a rate of {RATE}"] \
            if taken > allowed else []


class Pongs(Talking):
    name, title = "pongs", "eight desks that send pongs without end"
    sockets = 8

    def next_message(self):
        return websocket.frame(b"", websocket.PONG)


ROWS = (Flooding, Pongs)
