"""The base class of attacks, and the process that runs them.

In the proof's process, `prepare` makes the tenants and data of the attack. Then the instance is pickled into the
attacker's process, where `attack` runs against the service, and again against a sink: a server that answers everything
at once without any work, which shows how much the attacker itself slows the others on this machine.
"""
import asyncio
import collections
import multiprocessing
import socket
import time

from client import read_answer

PATIENCE = 60.0  # seconds within which the service must answer even an attacker
STALLED = 3.0  # seconds after which no further socket is expected to finish sending
GRACE = 1.0  # seconds for running requests after the end of an attack
SET_UP_MOST = 30.0  # the most seconds to set an attack up


class Row:
    """A kind of attack, with the budget that protects the others from it."""

    name = title = ""
    credential = "a key of another tenant"
    budget = None  # its name for --without-budget; None if no budget can be removed
    has_own_control = False  # True if the row has its own control; without a budget, the control pauses the service
    users = 25  # users of the attacking tenant
    log_ins = False  # True if the others log in as well
    archive = False  # True if the others list their closed conversations as well
    most_mib = 1_000_000  # the most growth of memory, if less than the memory budget
    kept_mib = 0  # memory that the attacking tenant may use permanently, at scale 1
    descriptors = None  # the service's limit of descriptors, if not this machine's
    least = 0  # answers after which the attack counts as running, at scale 1
    deaf = False  # True if the service's output is a pipe that is never read
    log = "warn"

    def __init__(self, scale):
        self.scale, self.hostile = scale, None
        # The members below are used in the attacker's process.
        self.port, self.is_sink, self.rate, self.began = 0, False, None, 0.0
        self.done, self.is_ready, self.count, self.received = False, True, 0, 0
        self.odd, self.answers, self.held = [], collections.Counter(), []

    def __repr__(self):
        return self.name

    def scaled(self, full, least=1):
        return max(least, round(full * self.scale))

    def flags(self):
        """Returns additional flags of the service."""
        return []

    async def prepare(self, stage):
        """Makes the tenants and data of the attack. Runs in the proof's process."""
        self.hostile = await stage.hostile(self.users)

    async def judge(self, _stage, _turns):
        """Returns further findings after the last turn, from the counts of all turns. Runs in the proof's process."""
        return []

    async def attack(self):
        """Attacks until `self.done`. Runs in the attacker's process."""
        raise NotImplementedError

    # --- in the attacker's process ---

    async def run(self, pipe, port, is_sink, rate):
        """Runs one turn, until a message arrives on the pipe."""
        self.port, self.is_sink, self.rate, self.began = port, is_sink, rate, time.monotonic()
        attacking = asyncio.create_task(self.attack())
        has_said = False
        await asyncio.sleep(0)  # lets the attack start, which clears `is_ready` if it must be set up first
        while not pipe.poll():
            if self.is_ready and sum(self.answers.values()) >= round(self.least * self.scale) and not has_said:
                pipe.send("ready")
                has_said = True
            if attacking.done() and attacking.exception() is not None:
                break
            await asyncio.sleep(0.02)
        self.done, took = True, time.monotonic() - self.began
        await asyncio.wait([attacking], timeout=GRACE)
        attacking.cancel()
        (ended,) = await asyncio.gather(attacking, return_exceptions=True)
        if isinstance(ended, Exception):
            self.odd.append(f"the attack ended with {ended!r}")
        for one in self.held:
            one.close()
        if not has_said:
            pipe.send("ready")
        pipe.recv()
        pipe.send((self.count, took, self.received, self.answers, self.odd[:3]))

    async def turn(self):
        """Counts one request. Against the sink it also waits, to send at the rate that the service sustained."""
        self.count += 1
        if self.rate:
            await asyncio.sleep(max(0.0, self.began + self.count / self.rate - time.monotonic()))

    async def expect(self, data, statuses=None, source=None):
        """Sends a request on a connection of its own. It must get a legitimate answer, or the connection be closed."""
        await self.turn()
        writer = None
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=source)
                writer.write(data)
                await self.answer(reader, statuses)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            self.answers["closed"] += 1
        except TimeoutError:
            self.odd.append(f"no answer within {PATIENCE:.0f} s to {data[:60]!r}")
        finally:
            if writer is not None:
                writer.transport.abort()

    async def answer(self, reader, statuses=None):
        answer = await read_answer(reader)
        self.answers[answer.status] += 1
        self.received += len(answer.body)
        if not self.is_sink and not is_legitimate(answer, statuses):
            self.odd.append(f"{answer.status} {answer.body[:150]!r}")
        return answer

    async def repeat(self, make, statuses=None, pause=0.01):
        while not self.done:
            await self.expect(make(), statuses)
            await asyncio.sleep(pause)

    async def crowd(self, count, make, statuses=None, pause=0.01):
        """Repeats requests over `count` connections at a time."""
        await asyncio.gather(*(self.repeat(make, statuses, pause) for _ in range(count)))

    async def plain_socket(self, receive_bytes=None):
        """Returns a connected socket that stays open until the turn is over."""
        one = socket.socket()
        self.held.append(one)
        one.setblocking(False)
        if receive_bytes:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        async with asyncio.timeout(5):
            await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", self.port))
        return one

    async def hold(self, count, data, receive_bytes=None):
        """Opens `count` sockets, sends data on each without reading, and holds them. Replaces closed ones."""
        self.is_ready = False
        loop, tried, progress = asyncio.get_running_loop(), set(), time.monotonic()

        async def one(n):
            nonlocal progress
            while not self.done:
                await self.turn()
                sock = None
                try:
                    sock = await self.plain_socket(receive_bytes)
                    async with asyncio.timeout(SET_UP_MOST):
                        await loop.sock_sendall(sock, data)
                    progress = progress if n in tried else time.monotonic()
                    tried.add(n)
                    while not self.done and not is_closed(sock):
                        await asyncio.sleep(0.5)
                except (OSError, TimeoutError):
                    tried.add(n)
                finally:
                    if sock is not None:
                        self.held.remove(sock)
                        sock.close()
                if not self.done:
                    self.answers["closed"] += 1
                    await asyncio.sleep(0.2)

        async def ready():
            # The attack is also set up if the service has stopped reading from the remaining sockets.
            while not self.done and len(tried) < count and time.monotonic() < progress + STALLED:
                await asyncio.sleep(0.05)
            self.is_ready = True

        await asyncio.gather(ready(), *(one(n) for n in range(count)))


def is_closed(sock):
    """Returns True if the peer has closed the connection. Reads no data from it."""
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def is_legitimate(answer, statuses):
    if answer.status == 503:
        return "retry-after" in answer.headers
    if statuses is not None:
        return answer.status in statuses or answer.status in (408, 429)
    return 100 <= answer.status < 500


class Attacker:
    """A process for the attacks, so that their cost is not measured as a delay of the service."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve_attacks, args=(theirs,), daemon=True)
        self.process.start()

    def begin(self, row, port, is_sink=False, rate=None):
        self.pipe.send((row, port, is_sink, rate))

    def is_ready(self):
        """Returns True if the attack is running, and consumes the message about it."""
        return self.pipe.poll() and self.pipe.recv() == "ready"

    async def end(self, has_said):
        """Ends the turn. Returns count, seconds, bytes received, answers, and unexpected answers."""
        self.pipe.send("stop")
        if not has_said:
            await asyncio.to_thread(self.pipe.recv)
        return await asyncio.to_thread(self.pipe.recv)

    def close(self):
        self.process.kill()
        self.process.join()


def serve_attacks(pipe):
    while True:
        row, *turn = pipe.recv()
        asyncio.run(row.run(pipe, *turn))
