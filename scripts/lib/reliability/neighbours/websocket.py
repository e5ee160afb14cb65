"""A minimal WebSocket client for desks (docs/desk.md): frames are masked with zeros, and pings are not answered."""
import asyncio
import json

PATIENCE = 10.0  # seconds for the handshake
TEXT, PONG, CLOSE = 1, 10, 8


def frame(payload, opcode=TEXT):
    """Makes a client's frame. The mask is zero, which leaves the payload unchanged."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload


def message(made):
    return frame(json.dumps(made, separators=(",", ":")).encode())


class Desk:
    def __init__(self, status, may_retry, reader, writer):
        self.status, self.may_retry, self.reader, self.writer = status, may_retry, reader, writer

    async def until_closed(self, is_over):
        """Reads and drops everything until the connection is closed or `is_over()` is true."""
        while not is_over():
            try:
                async with asyncio.timeout(1):
                    if not await self.reader.read(4096):
                        return
            except TimeoutError:
                pass
            except OSError:
                return

    async def read(self):
        """Reads the next frame. Returns a text as JSON, and None for other frames."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        payload = await self.reader.readexactly(size)
        if first & 15 == CLOSE:
            raise EOFError(payload)
        return json.loads(payload) if first & 15 == TEXT else None

    def close(self):
        self.writer.transport.abort()


async def connect(port, key, user, session):
    """Opens a WebSocket and sends the desk's hello at once."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /v1/desk HTTP/1.1\r\nHost: rollcall\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                         b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                         b"Sec-WebSocket-Protocol: rollcall.desk.v1\r\nAuthorization: Bearer %s\r\n\r\n" % key.encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b" 101 " in head[:16]:
                writer.write(message({"type": "hello", "user": user, "session": session}))
            return Desk(int(head.split()[1]), b"\r\nretry-after:" in head, reader, writer)
        except BaseException:
            writer.transport.abort()
            raise
