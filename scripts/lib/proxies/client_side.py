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


class Refused(AssertionError):
    """A handshake that was answered with a status."""


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


class Socket:
    """A WebSocket with a protocol of the service."""

    def __init__(self, server, path, protocol, key):
        self.raw = Raw(server)
        nonce = base64.b64encode(os.urandom(16)).decode()
        self.raw.send(
            f"GET {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n"
            f"Sec-WebSocket-Protocol: {protocol}\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        )
        head = self.raw.until(b"\r\n\r\n")
        if b" 101 " not in head[:16]:
            raise Refused(head, self.raw.everything(2))

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


class Desk(Socket):
    """A desk's WebSocket (docs/desk.md)."""

    def __init__(self, server, key, user, session):
        super().__init__(server, "/v1/desk", "rollcall.desk.v1", key)
        self.say({"type": "hello", "user": user, "session": session})


class Graphql(Socket):
    """A WebSocket for GraphQL, with the credential of its upgrade."""

    def __init__(self, server, key):
        super().__init__(server, "/graphql", "graphql-transport-ws", key)
        self.say({"type": "connection_init"})
        acknowledged = self.hear()
        if acknowledged["type"] != "connection_ack":
            raise AssertionError(acknowledged)

    def subscribe(self, query):
        self.say({"id": "1", "type": "subscribe", "payload": {"query": query}})

    def answer(self):
        """The next answer; the service's pings are answered on the way."""
        while (message := self.hear())["type"] == "ping":
            self.say({"type": "pong"})
        if message["type"] != "next":
            raise AssertionError(message)
        return message["payload"]["data"]


class Events:
    """A stream of server-sent events, read as it comes."""

    def __init__(self, server, method, path, headers, body=None):
        self.client = Proxied(server)
        given = {"Host": "api.example.com", **headers}
        if body is not None:
            body, given = json.dumps(body).encode(), {"Content-Type": "application/json", **given}
        self.client.http.request(method, path, body, given)
        self.found = self.client.http.getresponse()
        if self.found.status != 200:
            raise AssertionError(f"{self.found.status} {self.found.read()[:300]!r}")

    def next(self, name):
        """The data of the next event with a name. The wait ends with the time limit of the connection."""
        seen = None
        while line := self.found.readline().decode():
            field, _, value = line.rstrip("\n").partition(": ")
            if field == "event":
                seen = value
            elif field == "data" and seen == name:
                return json.loads(value)
        raise EOFError("the stream has ended")

    def close(self):
        self.client.close()
