"""Answers that leak on purpose: each must be found, or the proof proves nothing."""

import base64

from wire import Answer


def leaks(other, derived):
    """Changes of an answer by which it would show something of the other tenant, by name."""
    text, guid = other.pools["name.text"][0].encode(), other.pools["user.guid"][0].encode()
    number = str(other.pools["user.id"][0]).encode()
    made = next(iter(derived.guids))

    def body(more):
        return lambda answer: Answer(answer.status, answer.raw + more)

    def head(more):
        return lambda answer: Answer(answer.status, answer.raw.replace(b"\r\n", b"\r\n" + more + b"\r\n", 1))

    return {
        "a name": body(b'{"name":"' + text + b'"}'),
        "a name in capitals": body(text.upper()),
        "an id": body(b'{"id":' + number + b"}"),
        "a GUID in a header": head(b"location: /agents/" + guid.upper()),
        "a GUID that the service made": body(b'"' + made + b'"'),
        "a cursor": body(base64.b64encode(number + b"&&" + guid)),
        "a name in Base64": body(base64.b64encode(b"a " + text)),
        "a name in hexadecimal": body(text.hex().encode()),
        "a date": body(b'"' + other.time(8).encode() + b'"'),
    }


def differences():
    """Changes by which an answer would differ from that to an id that is nowhere."""
    return {
        "another status": lambda answer: Answer(403, answer.raw),
        "another number": lambda answer: Answer(answer.status, answer.raw + b"1"),
        "another header": lambda answer: Answer(answer.status, answer.raw.replace(b"\r\n", b"\r\nx-seen: 1\r\n", 1)),
    }


def missed(judge, other, derived, answer):
    """The controls that were not found in an answer that is clean."""
    found = [name for name, change in leaks(other, derived).items() if not judge.foreign(change(answer))]
    return found + [name for name, change in differences().items() if judge.differs(change(answer), answer) is None]
