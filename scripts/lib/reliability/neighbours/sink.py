"""A server that answers everything at once without any work: beside it, the others pay only for the attacker."""
import asyncio
import multiprocessing
import re

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
HEAD_BYTES, MOST_BYTES = 64 * 1024, 8 * 1024 * 1024
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class Sinking(asyncio.Protocol):
    def __init__(self, answer):
        self.answer, self.transport, self.head, self.rest, self.is_raw = answer, None, b"", 0, False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        while data and not self.is_raw:
            if self.rest:
                taken = min(self.rest, len(data))
                self.rest -= taken
                data = data[taken:]
                if self.rest == 0:
                    self.transport.write(self.answer)
                continue
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                if len(self.head) > HEAD_BYTES:
                    self.transport.abort()
                return
            self.head, length = b"", LENGTH.search(head)
            if b"upgrade: websocket" in head.lower():
                self.is_raw = True
                self.transport.write(UPGRADED)
            elif length and int(length[1]):
                self.rest = int(length[1])
            else:
                self.transport.write(self.answer)


async def serve(pipe, size):
    body = b" " * min(size, MOST_BYTES)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    server = await asyncio.get_running_loop().create_server(lambda: Sinking(answer), "127.0.0.1", 0, backlog=4096)
    pipe.send(server.sockets[0].getsockname()[1])
    while not pipe.poll():
        await asyncio.sleep(0.05)


def run(pipe, size):
    asyncio.run(serve(pipe, size))


class Sink:
    """The server, in a process of its own like the service."""

    def __init__(self, size):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=run, args=(theirs, size), daemon=True)
        self.process.start()
        self.port = self.pipe.recv()

    def close(self):
        self.process.kill()
        self.process.join()
