"""What schemathesis does not know of itself."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    """Returns a text as it is, such as the example of several lines, and anything else as one line of JSON."""
    return (value if isinstance(value, str) else json.dumps(value) + "\n").encode()
