"""Makes large requests once to be sent often, each time with another tag in ids and names."""
import json
import uuid

from client import request
from world import event

TAG = "@@@@@@@@"


class Tagged:
    """A request with TAG in its body wherever the text must be new each time."""

    def __init__(self, method, path, key, body):
        self.bytes = request(method, path, key, json.dumps(body, separators=(",", ":")).encode())

    def again(self):
        return self.bytes.replace(TAG.encode(), uuid.uuid4().hex[:len(TAG)].encode())


def events(key, made):
    return Tagged("POST", "/v1/events", key, made)


def statuses(count, users):
    """Makes events that each change a user's presence."""
    return [event(f"{TAG}-{n}", "status.changed", {"presence": ("Ready", "Away")[n % 2]}, 1 + n % users)
            for n in range(count)]


def named_users(first, count, more=None):
    """Makes a directory of users with the tag in their names."""
    return {"users": [{"id": n, "name": f"user {n} {TAG}", "roles": ["operator"], **(more or {})}
                      for n in range(first, first + count)]}
