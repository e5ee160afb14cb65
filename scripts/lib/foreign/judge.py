"""Judges answers: the strings of the other tenant in them, and differences from the answer to the twin of a request."""

import base64
import binascii
import json
import re

from canaries import ENCODED, GUID, IN_BASE64, IN_HEX, MARKERS, nowhere, tokens

# Headers that differ between any two answers.
# The list that a cursor is of: a digest of the arguments, which differ between a request and its twin.
LIST = re.compile(rb"(?<=[0-9a-f])&&[0-9a-f]{8}\b(?!-)")
VOLATILE = re.compile(rb"^(?:date|x-request-id|rollcall-staleness-ms):[^\r\n]*\r?\n", re.MULTILINE)
# The length of a body, which is compared itself. Times of the service end where their fraction does.
LENGTH = re.compile(rb"^content-length:[^\r\n]*\r?\n", re.MULTILINE)
# The age of the state in bodies.
STALENESS = re.compile(rb'("staleness_?ms": ?)[0-9]+')
# A text that is shown in part, in which a GUID may be cut.
CUT = re.compile(rb'\\"[^"\\]*\\" and more, ')
SECRET = re.compile(rb"\b(?:rt|dt|rk|lt|wl)_[a-z0-9_-]+")
# Times that the service gives, as opposed to those of the tenants' data.
RECENT = re.compile(rb"20(?:2[4-9]|[3-9][0-9])-[0-9]{2}-[0-9]{2}t[0-9:.]+z")


class Judge:
    def __init__(self, derived):
        self.guids = derived.guids

    def foreign(self, answer, request=b"", bait=frozenset()):
        """The strings of the other tenant in an answer that neither the request nor `bait` has."""
        found = self.strings(answer.raw)
        if not found:
            return found
        given = request.lower()
        found = {token for token in found if token not in given and token not in bait}
        if bait:
            # GUIDs that are derived from the id and source of an event, which the sender's own event may have.
            found = {token for token in found if token[14:15] != b"5"}
        return {token for token in found if not is_in_cursor(token, request)}

    def strings(self, raw):
        """The strings of the other tenant in some bytes, in any form."""
        low, found = raw.lower(), set()
        if any(marker in low for marker in MARKERS):
            found |= tokens(low)
        if any(text in raw for text in IN_BASE64):
            found |= {token for text in ENCODED.findall(raw) for token in tokens(decoded(text))} or {b"Base64"}
        found |= {text for text in IN_HEX if text in low}
        return found | {guid for guid in GUID.findall(low) if guid in self.guids}

    def differs(self, answer, twin):
        """Describes the difference between the answers to a request and to its twin; None if there is none."""
        if answer.status != twin.status:
            return f"status {answer.status}, and {twin.status} for an id that is nowhere"
        if answer.raw == twin.raw:
            return None
        ours, theirs = self.canonical(answer.raw), self.canonical(twin.raw)
        if ours == theirs:
            return None
        at = next((n for n, (one, other) in enumerate(zip(ours, theirs)) if one != other), min(len(ours), len(theirs)))
        around = slice(max(0, at - 60), at + 60)
        return f"{ours[around]!r}, and {theirs[around]!r} for an id that is nowhere"

    def canonical(self, raw):
        """The answer with twins for foreign strings, without what differs between any two answers."""
        text = ENCODED.sub(lambda match: decoded(match[0]), in_order(raw))
        text = LIST.sub(b"", VOLATILE.sub(b"", text.lower()))
        if not text.endswith(b"\r\n\r\n"):
            text = LENGTH.sub(b"", text, count=1)
        text = CUT.sub(b"<text> and more, ", text)
        text = GUID.sub(lambda match: self.guids.get(match[0], match[0]), text)
        text = STALENESS.sub(rb"\1<age>", text)
        text = RECENT.sub(b"<now>", SECRET.sub(b"<secret>", nowhere(text)))
        names = {}
        # GUIDs that each tenant has of its own, by the order in which they appear.
        return GUID.sub(
            lambda match: (
                match[0] if match[0].startswith(b"beefdead-") else names.setdefault(match[0], b"<guid %d>" % len(names))
            ),
            text,
        )


def in_order(raw):
    """An answer with the members of its JSON in order, since those of GraphQL come in the order in which they are
    ready. Other answers are left as they are."""
    head, end, body = raw.partition(b"\r\n\r\n")
    try:
        return head + end + json.dumps(json.loads(body), sort_keys=True).encode()
    except ValueError:
        return raw


def decoded(text):
    """The plain text of Base64; the text itself if it is none."""
    try:
        plain = base64.b64decode(text, validate=True)
        return plain if plain.isascii() and plain.decode().isprintable() else text
    except (binascii.Error, ValueError):
        return text


def is_in_cursor(token, request):
    """Returns whether the request has the token in Base64, as in a cursor."""
    return any(token in decoded(text) for text in ENCODED.findall(request.replace(b"%3D", b"=")))
