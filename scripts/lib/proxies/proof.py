"""Runs the service behind nginx, HAProxy, Caddy and Varnish, as docs/operations.md configures them, and checks what
clients meet there. See scripts/proxies."""

import argparse
import asyncio
import http.server
import json
import os
import pathlib
import sys
import tempfile
import threading
import time

import servers
import smuggling
from client_side import CLIENT, OTHER_CLIENT, Answer, Desk, Events, Graphql, Proxied, Raw, Refused
from service import ADMIN, Service

FLAGS = ("--log-format", "json", "--trusted-proxy", "127.0.0.1/32", "--client-address", "x-forwarded-for")
VERSION = "application/vnd.newvoicemedia.v1+json"
LARGE_USERS = 2_400  # with a text of 4,096 bytes each: a document of some 10 MB
GONE_SECONDS = 5  # after which no proxy may answer for a service that was killed


class Log:
    """The service's access log."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def has(self, request):
        return f'"{request}"' in self.path.read_text(errors="replace")

    def line(self, request):
        """The line of a request, once it is written."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            for line in self.path.read_text(errors="replace").splitlines():
                if f'"{request}"' in line:
                    found = json.loads(line)
                    return found.get("fields", found)
            time.sleep(0.05)
        raise AssertionError(f"no line of the access log has {request}")


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def event(name, user, session):
    return {
        "specversion": "1.0",
        "id": name,
        "source": "/proxies",
        "type": "desk.connected",
        "subject": str(user),
        "time": now(),
        "data": {"session": session},
    }


class Checks:
    """What is checked through each proxy."""

    def __init__(self, server, log, key, other_key, number):
        self.server, self.log, self.key, self.other_key, self.number = server, log, key, other_key, number
        self.client = Proxied(server, key)

    def run(self):
        for check in (
            self.numbers,
            self.kept_alive,
            self.chunked,
            self.expected,
            self.large,
            self.desk,
            self.live,
            self.named,
            self.addresses,
        ):
            try:
                check()
            except (OSError, EOFError, AssertionError, ValueError) as error:
                raise AssertionError(f"{self.server.name}, {check.__name__}: {error!r}") from error
        self.client.close()

    def connected(self):
        answer = self.client.ask("GET", "/operator/live", headers={"X-API-Key": self.key}).ok()
        return len(answer.json()["data"])

    def applied(self, answer):
        assert answer.ok().json()["applied"] == 1, answer.body

    def numbers(self):
        """Events in, and the same number in each dialect."""
        user = 100 + self.number
        before = self.connected()
        self.applied(self.client.ask("POST", "/v1/events", event(f"in-{self.server.name}", user, "a")))
        expected = before + 1
        assert self.connected() == expected, self.connected()
        answer = self.client.ask("POST", "/graphql", {"query": "{connectedUsersIndicator{connectedUsersCount}}"}).ok()
        assert answer.json()["data"]["connectedUsersIndicator"]["connectedUsersCount"] == expected, answer.body
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.client.ask("POST", "/v1/user-activity/search", f"auth_token={self.key}".encode(), form).ok()
        assert answer.json()["data"]["logged_in_agents"] == expected, answer.body
        answer = self.client.ask("GET", "/agents-availability?skillNames=english", headers={"Accept": VERSION}).ok()
        assert answer.json()["Ready"] == expected, answer.body
        assert int(answer.headers["Rollcall-Position"]) > 0
        page = self.client.ask("GET", "/docs/", headers={"Accept-Encoding": "gzip"}).ok()
        script = self.client.ask("GET", "/docs/swagger-ui-bundle.js", headers={"Accept-Encoding": "gzip"}).ok()
        assert (
            b"swagger-ui" in page.body
            and script.headers["Content-Encoding"] == "gzip"
            and script.body[:2] == b"\x1f\x8b"
        )
        tag = {"Accept-Encoding": "gzip", "If-None-Match": script.headers["ETag"]}
        assert self.client.ask("GET", "/docs/swagger-ui-bundle.js", headers=tag).status == 304
        assert self.client.ask("GET", "/operator/live", headers={"Authorization": "Bearer rk_none"}).status == 403

    def kept_alive(self):
        """Many requests over one connection, among them some that are refused."""
        for n in range(100):
            path = ("/operator/live", "/nowhere", "/operator/999999")[n % 3]
            assert self.client.ask("GET", path).status == (200, 404, 404)[n % 3]

    def chunked(self):
        body = json.dumps(event(f"chunked-{self.server.name}", 1, "b")).encode()
        parts = [body[:7], body[7:50], body[50:]]
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        self.applied(self.client.ask("POST", "/v1/events", iter(parts), headers, encode_chunked=True))

    def expected(self):
        """`Expect: 100-continue`: the body follows only after 100."""
        body = json.dumps(event(f"expected-{self.server.name}", 1, "c")).encode()
        raw = Raw(self.server)
        raw.send(
            f"POST /v1/events HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {self.key}\r\n"
            f"Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        head = raw.until(b"\r\n\r\n", 5)
        assert head.startswith(b"HTTP/1.1 100"), head
        raw.send(body)
        # Caddy sends one of its own and passes on the service's.
        while head.startswith(b"HTTP/1.1 100"):
            head = raw.until(b"\r\n\r\n")
        assert b" 200 " in head[:16], head
        raw.close()

    def large(self):
        """A document of 10 MB in, and out again; and one past the service's limit."""
        profile = {"description": "x" * 4096}
        users = [{"id": 10_000 + n, "name": f"large {n}", "profile": profile} for n in range(LARGE_USERS)]
        document = json.dumps({"users": users}).encode()
        kind = {"Content-Type": "application/json", "Authorization": f"Bearer {self.other_key}"}
        self.client.ask("PUT", "/v1/directory", document, kind).ok()
        answer = self.client.ask("GET", "/v1/directory", headers=kind).ok()
        assert len(answer.body) > len(document) and len(answer.json()["users"]) > LARGE_USERS
        client = Proxied(self.server, self.key)
        try:
            status = client.ask("PUT", "/v1/directory", b" " * (33 << 20), kind).status
        except OSError:  # closed while the body was being sent, which is as good
            status = 413
        assert status == 413, status
        client.close()

    def desk(self):
        """A desk that stays connected, is counted, and is not any more once it closes."""
        before = self.connected()
        desk = Desk(self.server, self.key, "50", f"desk-{self.server.name}")
        welcome = desk.hear()
        assert welcome["type"] == "welcome", welcome
        assert self.connected() == before + 1
        desk.say({"type": "event", "id": "1", "event": {"type": "status.changed", "data": {"presence": "Ready"}}})
        ack = desk.hear()
        assert (ack["type"], ack["outcome"]) == ("ack", "applied"), ack
        desk.close()
        until = time.monotonic() + 5
        while self.connected() != before:
            assert time.monotonic() < until, "a desk that closed is still connected"
            time.sleep(0.05)

    def live(self):
        """Live queries over a WebSocket, and as events: each change comes at once, through nothing that keeps it back."""
        bearer = {"Authorization": f"Bearer {self.key}"}
        query = "subscription{live{connectedUsersIndicator{connectedUsersCount}}}"
        socket = Graphql(self.server, self.key)
        socket.subscribe(query)
        streams = Streams(self.server, bearer, query)
        before = self.connected()
        for expected in (before, before + 1):
            seen = socket.answer()["live"]["connectedUsersIndicator"]["connectedUsersCount"]
            assert seen == expected, f"over the WebSocket {seen} instead of {expected}"
            streams.show(expected)
            if expected == before:
                name = f"live-{self.server.name}"
                self.applied(self.client.ask("POST", "/v1/events", event(name, 120 + self.number, name)))
        wanted = {"query": "by=channel"}
        path = self.client.ask("POST", "/v1/live/tickets", wanted).ok().json()["path"]
        by_ticket = Events(self.server, "GET", path, {})
        assert by_ticket.next("moment")["total"]["connected"] == before + 1
        # While nothing differs: no proxy may take the stream for one that is over.
        assert by_ticket.next("still")["position"] > 0
        by_ticket.close()
        streams.close()
        socket.close()

    def named(self):
        """The id of a request reaches the service and comes back; without one the service makes one."""
        mark = f"named-{self.server.name}".replace(" ", "-")
        answer = self.client.ask("GET", "/operator/live", headers={"X-Request-Id": mark})
        assert answer.headers["X-Request-Id"] == mark
        assert self.log.line(mark)["status"] == 200
        assert len(self.client.ask("GET", "/operator/live").headers["X-Request-Id"]) == 36

    def addresses(self):
        """The client is the one that connected to the proxy, whatever it wrote into the headers."""
        for n, forged in enumerate(("203.0.113.7", "127.0.0.1", "203.0.113.7, 127.0.0.1", "nonsense", '"', "::1, ,")):
            mark = f"address-{self.server.name}-{n}"
            headers = {
                "X-Forwarded-For": forged,
                "Forwarded": "for=203.0.113.8",
                "X-Real-IP": "203.0.113.9",
                "X-Request-Id": mark,
            }
            self.client.ask("GET", "/operator/live", headers=headers).ok()
            peer = self.log.line(mark)["peer"]
            assert peer == CLIENT, f"counted as {peer}, with X-Forwarded-For: {forged}"
        other = Proxied(self.server, self.key, OTHER_CLIENT)
        other.ask("GET", "/operator/live", headers={"X-Request-Id": f"address-{self.server.name}-other"}).ok()
        other.close()
        assert self.log.line(f"address-{self.server.name}-other")["peer"] == OTHER_CLIENT


class Streams:
    """Events of GraphQL and of the breakdown, of all users."""

    def __init__(self, server, bearer, query):
        accept = {**bearer, "Accept": "text/event-stream"}
        self.graphql = Events(server, "POST", "/graphql", accept, {"query": query})
        self.plain = Events(server, "GET", "/v1/live?by=channel", bearer)

    def show(self, expected):
        seen = self.graphql.next("next")["data"]["live"]["connectedUsersIndicator"]["connectedUsersCount"]
        assert seen == expected, f"as events of GraphQL {seen} instead of {expected}"
        seen = self.plain.next("moment")["total"]["connected"]
        assert seen == expected, f"as events of the breakdown {seen} instead of {expected}"

    def close(self):
        self.graphql.close()
        self.plain.close()


def without_its_lines(server, key):
    """nginx as it comes passes events on as they are made, and no WebSockets: their 400 says what is missing."""
    query = "subscription{live{position connectedUsersIndicator{connectedUsersCount}}}"
    streams = Streams(server, {"Authorization": f"Bearer {key}"}, query)
    connected = Proxied(server, key).ask("GET", "/v1/breakdown").ok().json()["total"]["connected"]
    streams.show(connected)
    sent = Proxied(server, key).ask("POST", "/v1/events", event("plain-nginx", 140, "plain-nginx")).ok()
    assert sent.json()["applied"] == 1, sent.body
    streams.show(connected + 1)
    streams.close()
    try:
        Graphql(server, key)
    except Refused as refused:
        head, body = refused.args
        assert b" 400 " in head[:16] and b"must pass the headers Upgrade and Connection" in body, (head, body)
    else:
        raise AssertionError("a WebSocket without the lines that it needs")


def rates(server):
    """Wrong log-ins use up the rate of their own address, with whatever forged header, and of no other."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def log_in(source, n):
        client = Proxied(server, source=source)
        headers = {**form, "X-Forwarded-For": f"203.0.113.{n}"}
        answer = client.ask(
            "POST", "/oauth2/token", b"grant_type=password&username=a%40b.example&password=wrong", headers
        )
        client.close()
        return answer.status

    statuses = [log_in(CLIENT, n) for n in range(11)]
    if statuses[-1] != 429 or 429 in statuses[:10]:
        raise AssertionError(f"{server.name}: log-ins with forged addresses were answered {statuses}")
    if log_in(OTHER_CLIENT, 1) == 429:
        raise AssertionError(f"{server.name}: another client is refused for them")


def answers_after(server):
    """The statuses of /readyz and /livez until no answer is 200 any more, within GONE_SECONDS."""
    until, seen = time.monotonic() + GONE_SECONDS, None
    while time.monotonic() < until:
        seen = []
        for path in ("/readyz", "/livez", "/readyz"):
            client = Proxied(server)
            try:
                seen.append(client.ask("GET", path).status)
            except (OSError, ConnectionError) as error:
                seen.append(str(error))
            client.close()
        if 200 not in seen:
            return None
        time.sleep(0.1)
    return seen


class Cacheable(http.server.BaseHTTPRequestHandler):
    """The control: a service whose probes may be cached."""

    def do_GET(self):  # noqa: N802, the library's name
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"ready\n")

    def log_message(self, *_):
        pass


def cached_control(folder):
    """Varnish as it comes goes on answering for a service without `no-store`, which `answers_after` must find."""
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cacheable)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    server = servers.CachingVarnish(os.path.join(folder, "control"), backend.server_address[1], None)
    try:
        server.start()
        backend.shutdown()
        backend.server_close()
        if answers_after(server) is None:
            raise AssertionError("control: a cached /readyz was not found")
    finally:
        server.stop()


def smuggled_control():
    """An answer of another client's request must be found."""

    class Foreign:
        status, headers, body = 200, {"X-Request-Id": "victim-other-0"}, b'{"data":{"id":7001}}'
        json = Answer.json

    if smuggling.check(Foreign(), "victim-mine-0", 7001) is None:
        raise AssertionError("control: a foreign answer was not found")


async def stage(service):
    """Two tenants with users, and their keys."""
    from client import Client

    client, keys = Client(service.port, ADMIN), []
    for name, first in (("one", 1), ("two", 7001)):
        tenant = (await client.ask("POST", "/v1/tenants", {"name": name})).json()["id"]
        key = (await client.ask("POST", f"/v1/tenants/{tenant}/keys", {"name": "key", "scopes": ["*"]})).json()["key"]
        channels = {"call": {"enabled": True}}
        users = [{"id": first + n, "name": f"user {n}", "skills": [1], "channels": channels} for n in range(200)]
        document = {"skills": [{"id": 1, "name": "english"}], "users": users}
        (await client.ask("PUT", "/v1/directory", document, token=key)).ok()
        keys.append(key)
    client.close()
    return keys


def run(program, folder):
    certificates = servers.certificate(folder)
    service = Service(program, folder, flags=FLAGS, log="info")
    running, findings = [], []
    try:
        asyncio.run(service.start())
        keys, log = asyncio.run(stage(service)), Log(service.log_path)
        for number, kind in enumerate((*servers.ALL, servers.CachingVarnish)):
            began, server = time.monotonic(), kind(folder, service.port, certificates)
            running.append(server)
            server.start()
            said = ""
            if kind is not servers.CachingVarnish:
                Checks(server, log, *keys, number).run()
                found, probes = smuggling.run(server, log, *keys)
                findings += [f"{server.name}: {one}" for one in found]
                said = f"{server.version()}, {probes} smuggling probes, "
            print(f"   {server.name}: {said}{time.monotonic() - began:.1f} s", flush=True)
        plain = servers.PlainNginx(folder, service.port, certificates)
        running.append(plain)
        plain.start()
        without_its_lines(plain, keys[0])
        rates(running[0])
        for server in running:  # fills the caches that there may be
            for path in ("/readyz", "/livez", "/readyz"):
                Proxied(server).ask("GET", path).ok()
        service.kill()
        for server in running:
            if seen := answers_after(server):
                findings.append(f"{server.name} answers {seen} for a service that was killed")
        asyncio.run(service.start())
        for server in running:
            until = time.monotonic() + GONE_SECONDS
            while Proxied(server).ask("GET", "/readyz").status != 200:
                if time.monotonic() > until:
                    findings.append(f"{server.name} does not find the service again")
                    break
                time.sleep(0.1)
        service.stop()
        smuggled_control()
        cached_control(folder)
    finally:
        service.kill()
        for server in running:
            server.stop()
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--missing", action="store_true", help="print the packages that are not installed, and end")
    arguments = parser.parse_args()
    if arguments.missing:
        print(*servers.missing())
        return
    print("== proxies", flush=True)
    with tempfile.TemporaryDirectory(prefix="rollcall-proxies.") as folder:
        findings = run(os.path.abspath(arguments.program), folder)
    print(f"   {len(findings)} findings", flush=True)
    if findings:
        sys.exit("\n".join(findings[:30]))


if __name__ == "__main__":
    main()
