"""Requests whose end a proxy and a service might see at different places (request smuggling).

Each has another request inside, which must either be answered to its sender or not be taken at all: one that the
service takes, and the proxy does not see, would be answered to the next client. That is seen in the service's access
log, and in the answers to other clients.
"""

import re

from client_side import OTHER_CLIENT, Proxied, Raw

QUIET_SECONDS = 0.4  # without a byte, after which nothing more is expected


def hidden(key, name):
    return (
        f"GET /operator/live HTTP/1.1\r\nHost: api.example.com\r\nX-API-Key: {key}\r\nX-Request-Id: {name}\r\n\r\n"
    ).encode()


def probes(key, proxy):
    """The probes by name: the bytes of a request with another one inside. Both have ids by the proxy and the probe."""
    made = {}

    def add(name, headers, body):
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nX-Request-Id: outer-{proxy}-{name}\r\n"
        ).encode()
        made[name] = head + headers.replace(b"\n", b"\r\n") + b"\r\n" + body

    def inside(name):
        return hidden(key, f"hidden-{proxy}-{name}")

    chunked = b"2\r\n[]\r\n0\r\n\r\n"
    for name, header in (
        ("cl-te", b"Content-Length: %d\nTransfer-Encoding: chunked\n"),
        ("te-cl", b"Transfer-Encoding: chunked\nContent-Length: %d\n"),
        ("te-space", b"Transfer-Encoding : chunked\nContent-Length: %d\n"),
        ("te-tab", b"Transfer-Encoding:\tchunked\nContent-Length: %d\n"),
        ("te-vtab", b"Transfer-Encoding: \x0bchunked\nContent-Length: %d\n"),
        ("te-other", b"Transfer-Encoding: xchunked\nContent-Length: %d\n"),
        ("te-identity", b"Transfer-Encoding: identity\nTransfer-Encoding: chunked\nContent-Length: %d\n"),
        ("te-list", b"Transfer-Encoding: gzip, chunked\nContent-Length: %d\n"),
        ("te-quoted", b'Transfer-Encoding: "chunked"\nContent-Length: %d\n'),
        ("te-folded", b"Transfer-Encoding:\n chunked\nContent-Length: %d\n"),
        ("te-capitals", b"TRANSFER-ENCODING: CHUNKED\nContent-Length: %d\n"),
        ("te-underscore", b"Transfer_Encoding: chunked\nContent-Length: %d\n"),
    ):
        # By the length the whole is one body; by the chunks the hidden request follows it.
        body = chunked + inside(name)
        add(name, header % len(body), body)
        short = f"{name}-short"
        # By the length the body ends early; by the chunks the hidden request is content.
        content = inside(short)
        add(short, header % 4, b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
    for name, header in (
        ("cl-twice", b"Content-Length: 2\nContent-Length: %d\n"),
        ("cl-plus", b"Content-Length: +2\n"),
        ("cl-list", b"Content-Length: 2, %d\n"),
        ("cl-hex", b"Content-Length: 0x2\n"),
        ("cl-space", b"Content-Length : 2\n"),
        ("cl-folded", b"Content-Length:\n 2\n"),
        ("cl-empty", b"Content-Length:\n"),
    ):
        body = b"[]" + inside(name)
        add(name, header % len(body) if b"%d" in header else header, body)
    for name, size in (
        ("chunk-extension", b"2;a=\n"),
        ("chunk-plus", b"+2"),
        ("chunk-hex", b"0x2"),
        ("chunk-long", b"1" + b"0" * 16 + b"2"),
        ("chunk-space", b"2 "),
        ("chunk-line", b"2\n"),
    ):
        end = b"" if size.endswith(b"\n") else b"\r\n"
        add(name, b"Transfer-Encoding: chunked\n", size + end + b"[]\r\n0\r\n\r\n" + inside(name))
    add("bare-line-ends", b"Content-Length: 2\n", b"[]" + inside("bare-line-ends").replace(b"\r\n", b"\n"))
    add("bare-return", b"X: y\rContent-Length: 2\n", b"[]" + inside("bare-return"))
    add("null", b"X: \x00\nContent-Length: 2\n", b"[]" + inside("null"))
    made["get-with-body"] = (
        hidden(key, f"outer-{proxy}-get-with-body")[:-2] + b"Content-Length: 2\r\n\r\n[]" + inside("get-with-body")
    )
    return made


def run(server, log, key, other_key):
    """Sends every probe, with requests of another client beside it. Returns the findings and the number of probes."""
    findings, number = [], 0
    for name, data in probes(key, server.name).items():
        number += 1
        attacker = Raw(server)
        attacker.send(data)
        victims(server, other_key, f"{name}-1", findings)
        answers = attacker.everything(QUIET_SECONDS)
        attacker.close()
        victims(server, other_key, f"{name}-2", findings)
        own = {one.decode() for one in re.findall(rb"(?i)^x-request-id: ([^\r\n]+)", answers, re.MULTILINE)}
        mark = f"hidden-{server.name}-{name}"
        if log.has(mark) and mark not in own:
            findings.append(f"{name}: the service took the hidden request, and its sender got {answers[:200]!r}")
        if foreign := {one for one in own if one.startswith("victim-")}:
            findings.append(f"{name}: the sender got the answer of {foreign}")
    return findings, number


def victims(server, key, name, findings):
    """Two requests of another client on one connection, whose answers must be its own."""
    client = Proxied(server, key, OTHER_CLIENT)
    for n in range(2):
        mark = f"victim-{name}-{n}"
        answer = client.ask("GET", f"/operator/{7001 + n}", headers={"X-Request-Id": mark})
        found = check(answer, mark, 7001 + n)
        if found:
            findings.append(f"{name}: {found}")
    client.close()


def check(answer, mark, user):
    """Describes what is wrong with a victim's answer; None if it is the victim's own."""
    if answer.headers.get("X-Request-Id") != mark or answer.status != 200 or answer.json()["data"]["id"] != user:
        given = answer.headers.get("X-Request-Id")
        return f"a client got {answer.status} {given} in place of {mark}: {answer.body[:200]!r}"
    return None
