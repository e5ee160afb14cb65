"""Clients of a proxy: usual ones, and one that sends bytes as they are. Each connects from an address of its own, so
that the proxy's address and the client's differ."""

import base64
import http.client
import json
import os
import socket
import ssl

CLIENT, OTHER_CLIENT = "127.0.0.2", "127.0.0.3"
SECONDS = 20


def connect(server, source=CLIENT):
    """Opens a connection to a proxy, with TLS where it takes that."""
    plain = socket.create_connection(("127.0.0.1", server.port), SECONDS, source_address=(source, 0))
    if not server.tls:
        return plain
    return unverified().wrap_socket(plain, server_hostname="api.example.com")


def unverified():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Answer:
    def __init__(self, found):
        self.status, self.headers, self.body = found.status, found.headers, found.read()

    def json(self):
        return json.loads(self.body)

    def ok(self):
        if self.status not in (200, 201):
            raise AssertionError(f"{self.status} {self.body[:300]!r}")
        return self


class Proxied:
    """A client with one connection, which it keeps open."""

    def __init__(self, server, key=None, source=CLIENT):
        self.key = key
        self.http = http.client.HTTPConnection("api.example.com")
        self.http.sock = connect(server, source)
        self.http.auto_open = 0  # a connection that was closed is an error

    def ask(self, method, path, body=None, headers=None, **more):
        given = {
            "Host": "api.example.com",
            **({"Authorization": f"Bearer {self.key}"} if self.key else {}),
            **(headers or {}),
        }
        if isinstance(body, (dict, list)):
            body, given = json.dumps(body).encode(), {"Content-Type": "application/json", **given}
        self.http.request(method, path, body, given, **more)
        return Answer(self.http.getresponse())

    def close(self):
        self.http.close()


class Raw:
    """A connection on which bytes are sent as they are."""

    def __init__(self, server, source=CLIENT):
        self.socket, self.read = connect(server, source), b""

    def send(self, data):
        self.socket.sendall(data)

    def until(self, end, seconds=SECONDS):
        """Reads up to and with some bytes."""
        self.socket.settimeout(seconds)
        while end not in self.read:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(f"closed after {self.read[:300]!r}")
            self.read += more
        head, self.read = self.read.split(end, 1)
        return head + end

    def exactly(self, count):
        self.socket.settimeout(SECONDS)
        while len(self.read) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("closed")
            self.read += more
        found, self.read = self.read[:count], self.read[count:]
        return found

    def everything(self, seconds):
        """Reads until the connection is closed, or nothing comes for some seconds."""
        self.socket.settimeout(seconds)
        try:
            while more := self.socket.recv(65536):
                self.read += more
        except OSError:
            pass
        found, self.read = self.read, b""
        return found

    def close(self):
        self.socket.close()


class Desk:
    """A desk's WebSocket (docs/desk.md)."""

    def __init__(self, server, key, user, session):
        self.raw = Raw(server)
        nonce = base64.b64encode(os.urandom(16)).decode()
        self.raw.send(
            f"GET /v1/desk HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n"
            f"Sec-WebSocket-Protocol: rollcall.desk.v1\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        )
        head = self.raw.until(b"\r\n\r\n")
        if b" 101 " not in head[:16]:
            raise AssertionError(f"no WebSocket: {head!r}")
        self.say({"type": "hello", "user": user, "session": session})

    def say(self, message):
        self.frame(1, json.dumps(message).encode())

    def frame(self, kind, payload):
        size, mask = len(payload), os.urandom(4)
        length = bytes([128 | size]) if size < 126 else bytes([128 | 126]) + size.to_bytes(2, "big")
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
        self.raw.send(bytes([128 | kind]) + length + mask + masked)

    def hear(self):
        """The next message; pings are answered on the way."""
        while True:
            first, size = self.raw.exactly(2)
            size = int.from_bytes(self.raw.exactly(2), "big") if size == 126 else size
            payload = self.raw.exactly(size)
            if first & 15 == 9:
                self.frame(10, payload)
            elif first & 15 == 8:
                raise EOFError(payload)
            elif first & 15 == 1:
                return json.loads(payload)

    def close(self):
        self.frame(8, (1000).to_bytes(2, "big"))
        self.raw.everything(2)
        self.raw.close()
