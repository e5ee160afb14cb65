"""Sends the bytes of requests, and reads answers whole: their bytes are what is judged."""

import asyncio
import re

HEAD = b"\r\n\r\n"


class Answer:
    def __init__(self, status, raw):
        self.status, self.raw = status, raw


class Wire:
    """One connection, made anew when the service closes it."""

    def __init__(self, port):
        self.port, self.reader, self.writer = port, None, None

    async def send(self, data, is_head=False):
        """Sends a request; the answer. One that got none is sent once more over a new connection."""
        for attempt in range(2):
            try:
                if self.writer is None:
                    self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
                self.writer.write(data)
                return await asyncio.wait_for(self.read(is_head), 60)
            except (OSError, EOFError) as error:
                self.close()
                if attempt == 1:
                    raise AssertionError(f"no answer to {data[:300]!r}: {error!r}") from error

    async def read(self, is_head):
        head = await self.reader.readuntil(HEAD)
        status, low = int(head[9:12]), head.lower()
        if status < 200:
            raise AssertionError(f"an interim answer: {head!r}")
        body = b""
        if not is_head and status not in (204, 304):
            if (at := low.find(b"\r\ncontent-length:")) >= 0:
                body = await self.reader.readexactly(int(low[at + 17 : low.index(b"\r", at + 2)]))
            elif b"\r\ncontent-type: text/event-stream" in low:
                # It does not end by itself: its first event is judged. The time until a client returns is random.
                body = await self.first_event()
                self.close()
            elif b"\r\ntransfer-encoding:" in low:
                body = await self.chunks()
        if b"\r\nconnection: close" in low:
            self.close()
        return Answer(status, head + body)

    async def first_event(self):
        body = b""
        while not (b"event:" in body and body.endswith(b"\n\n")):
            size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
            if size == 0:
                break
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        return re.sub(rb"^retry: [0-9]+\n+", b"", body)

    async def chunks(self):
        parts = []
        while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        await self.reader.readuntil(b"\r\n")
        return b"".join(parts)

    def close(self):
        if self.writer is not None:
            self.writer.transport.abort()
        self.reader = self.writer = None
