"""Recognizable strings: every text, id, GUID and date of the other tenant is one, and each has a twin.

A foreign string occurs nowhere but in the other tenant's data. Its twin has the same form and occurs nowhere at all.
Both are made by prefixes, so that the twin of a whole request is a replacement of bytes.
"""

import base64
import re

# Foreign prefix and that of the twin, of the same length: texts, GUIDs, integer ids, years of dates.
PREFIXES = ((b"kestrelq", b"kittiwak"), (b"beefcafe-", b"beefdead-"), (b"7310", b"7320"), (b"2017-", b"2016-"))
# Ids are that far apart, so that an id that the service gives next is none of them.
FIRST_ID, STEP = 7_310_000_000_000, 100_000
_GUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
GUID = re.compile(_GUID, re.IGNORECASE)
TOKEN = re.compile(
    rb"kestrelq[0-9a-z]*|beefcafe-[0-9a-f-]{27}|(?<![0-9a-f.])7310[0-9]{4}0{5}(?![0-9a-f])" rb"|2017-[0-9]{2}-[0-9]{2}",
    re.IGNORECASE,
)
_AFTER = (rb"", rb"", rb"(?=[0-9]{9})", rb"(?=[0-9]{2}-[0-9]{2})")
_TWINS = tuple((re.compile(re.escape(foreign) + after), twin) for (foreign, twin), after in zip(PREFIXES, _AFTER))
MARKERS = tuple(prefix for prefix, _ in PREFIXES)
ENCODED = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
# Cursors in a request, also within a query, where the padding is escaped.
_CURSOR = re.compile(rb"([A-Za-z0-9+/]{16,})((?:=|%3D){0,2})")


def _at_each_alignment(marker):
    """The Base64 of a marker at each of the three alignments, without the characters that its neighbours change."""
    found = [base64.b64encode(b"\0" * pad + marker)[(0, 2, 3)[pad] :].rstrip(b"=")[:-1] for pad in range(3)]
    return [text for text in found if len(text) >= 6]


# Texts and GUIDs in other forms, as they are in cursors.
IN_BASE64 = tuple(text for marker in MARKERS[:2] for text in _at_each_alignment(marker))
IN_HEX = tuple(marker.hex().encode() for marker in MARKERS[:2])


class Canaries:
    """Makes foreign strings, and remembers the kind of each."""

    def __init__(self):
        self.kinds, self.count = {}, 0

    def _next(self, kind, text):
        self.kinds[str(text).lower()] = kind
        return text

    def text(self, kind):
        self.count += 1
        return self._next(kind, f"kestrelq{self.count:04d}{kind}")

    def email(self, kind):
        return f"{self.text(kind)}@their.example"

    def guid(self, kind):
        self.count += 1
        return self._next(kind, f"beefcafe-{self.count:04x}-4000-8000-{self.count:012d}")

    def id(self, kind):
        self.count += 1
        return self._next(kind, FIRST_ID + self.count * STEP)


class Plain:
    """Makes the strings of the tenants whose keys are used, which are the same for each of them."""

    def __init__(self):
        self.count = 0

    def text(self, kind):
        self.count += 1
        return f"avocetq{self.count:04d}{kind}"

    def email(self, kind):
        return f"{self.text(kind)}@our.example"

    def guid(self, _kind):
        self.count += 1
        return f"0a0a0a0a-{self.count:04x}-4000-8000-{self.count:012d}"

    def id(self, _kind):
        self.count += 1
        return 1_000_000 + self.count


class Derived:
    """Strings that the service made for the other tenant, and their twins: GUIDs of tenants, keys and messages by GUID,
    and others as they are."""

    def __init__(self):
        self.guids, self.others = {}, []

    def add_guid(self, foreign):
        """Adds a GUID. The twin differs in the last group."""
        foreign = foreign.lower()
        last = foreign[-12:].translate(bytes.maketrans(b"0123456789abcdef", b"123456789abcdef0"))
        self.guids[foreign] = foreign[:-12] + last

    def twin(self, request):
        """Returns a request with twins in place of all foreign strings. It has the same length."""
        request = _CURSOR.sub(_twin_of_cursor, request)
        for foreign, twin in self.others:
            request = request.replace(foreign, twin)
        return nowhere(GUID.sub(lambda match: self.guids.get(match[0].lower(), match[0]), request))


def _twin_of_cursor(match):
    try:
        plain = base64.b64decode(match[1] + match[2].replace(b"%3D", b"="), validate=True)
    except ValueError:
        return match[0]
    twin = nowhere(plain)
    return base64.b64encode(twin).rstrip(b"=") + match[2] if twin != plain else match[0]


def nowhere(data):
    """Replaces the prefix of every foreign string by that of its twin."""
    for found, twin in _TWINS:
        data = found.sub(twin, data)
    return data


def tokens(data):
    """The foreign strings in some bytes, in small letters."""
    return {token.lower() for token in TOKEN.findall(data)}
