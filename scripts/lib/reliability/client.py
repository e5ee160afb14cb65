"""A minimal HTTP client: one connection, one request at a time, and no retries by itself."""
import asyncio
import json


class Gone(Exception):
    """There was no answer. It is unknown if the request took effect."""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def position(self):
        return int(self.headers["rollcall-position"])

    def ok(self):
        if self.status != 200:
            raise AssertionError(f"{self.status} {self.body[:300]!r}")
        return self


def request(method, path, token=None, body=None, headers=None):
    """Returns the bytes of a request."""
    if body is None:
        data = b""
    elif isinstance(body, bytes):
        data = body
    else:
        data = json.dumps(body, separators=(",", ":")).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: rollcall", f"Content-Length: {len(data)}"]
    given = {"Content-Type": "application/json", **(headers or {})}
    if token:
        given["Authorization"] = f"Bearer {token}"
    lines += [f"{name}: {value}" for name, value in given.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def read_answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    if headers.get("transfer-encoding") == "chunked":
        return Answer(status, headers, await read_chunks(reader))
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(status, headers, body)


async def read_chunks(reader):
    """Reads a chunked body."""
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers
    return b"".join(parts)


class Client:
    """Connects for the first request, and again after a connection is lost."""

    def __init__(self, port, token=None, source=None):
        self.port, self.token = port, token
        self.source = source and (source, 0)  # the address that it connects from
        self.reader = self.writer = None

    async def ask(self, method, path, body=None, headers=None, token=None, timeout=30):
        """Sends a request and returns the answer. Raises Gone if there is none, or the server closed the connection."""
        try:
            async with asyncio.timeout(timeout):
                if self.writer is None:
                    self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=self.source)
                self.writer.write(request(method, path, token or self.token, body, headers))
                await self.writer.drain()
                answer = await read_answer(self.reader)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            self.close()
            raise Gone(repr(error)) from error
        except BaseException:
            self.close()
            raise
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    async def post(self, events, **more):
        """Posts events, a single one without the array around it."""
        body = events[0] if len(events) == 1 else events
        return await self.ask("POST", "/v1/events", body, **more)

    async def patient(self, *args, seconds=60, **more):
        """Sends a request again until the answer is not 503. Only for requests that may be sent twice."""
        until = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                answer = await self.ask(*args, **more)
                if answer.status != 503:
                    return answer
                why = answer.body[:200]
            except Gone as gone:
                why = gone
            if asyncio.get_running_loop().time() > until:
                raise AssertionError(f"no answer to {args[:2]} for {seconds} s: {why}")
            await asyncio.sleep(0.02)

    def close(self):
        if self.writer is not None:
            # Aborted, since closing would wait for the peer.
            self.writer.transport.abort()
        self.reader = self.writer = None
