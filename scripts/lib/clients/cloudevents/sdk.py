"""The SDK of CloudEvents for Python: events in both modes of its API of today and of its older one, which most programs
use. In binary mode it sends no content type unless the event names one."""
import os

import requests
from cloudevents.core.bindings.http import to_binary, to_binary_event, to_structured, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion as older
from cloudevents.v1.http import CloudEvent as OlderEvent

URL = os.environ["SERVICE_URL"]
BEARER = {"Authorization": "Bearer " + os.environ["SERVICE_KEY"]}
EVE = {"type": "desk.connected", "source": "/clients", "subject": "105"}
BEAT = {**EVE, "type": "desk.heartbeat"}
JSON = {"datacontenttype": "application/json"}
DATA = {"session": "desk-105"}
BYTES = b'{"session": "desk-105"}'


def event(more, data, kind=CloudEvent):
    # The SDK adds the attributes that are missing to the dictionary that it is given.
    return kind(dict(more), data)


def connected():
    query = "{connectedUsersIndicator(groupIds:[98,99]){connectedUsersCount}}"
    answer = requests.post(URL + "/graphql", json={"query": query}, headers=BEARER).json()
    return answer["data"]["connectedUsersIndicator"]["connectedUsersCount"]


def send(headers, body):
    answer = requests.post(URL + "/v1/events", data=body, headers={**headers, **BEARER})
    assert answer.status_code == 200, f"{headers}: {answer.status_code} {answer.text}"
    return answer.json()["results"][0]


def message(made):
    return made.headers, made.body


assert connected() == 3
headers, body = message(to_binary(event(EVE, DATA), JSONFormat()))
assert not any(name.lower() == "content-type" for name in headers), headers
assert send(headers, body)["outcome"] == "applied"
assert connected() == 4
assert send(headers, body)["outcome"] == "duplicate"
ways = {
    "binary": message(to_binary_event(event(BEAT, DATA))),
    "binary, with a content type": message(to_binary_event(event({**BEAT, **JSON}, DATA))),
    "structured": message(to_structured(event(BEAT, DATA), JSONFormat())),
    "structured, by default": message(to_structured_event(event(BEAT, DATA))),
    "structured, with bytes": message(to_structured_event(event(BEAT, BYTES))),
    "the older API, binary": older.to_binary(event(BEAT, DATA, OlderEvent)),
    "the older API, structured": older.to_structured(event(BEAT, DATA, OlderEvent)),
    "the older API, structured, with bytes": older.to_structured(event(BEAT, BYTES, OlderEvent)),
}
for name, made in ways.items():
    assert send(*made)["outcome"] == "applied", name
rejected = send(*message(to_binary_event(event(BEAT, {"sesion": "desk-105"}))))
assert rejected["outcome"] == "rejected" and "session" in str(rejected), rejected
print("CloudEvents SDK for Python:", len(ways) + 6, "checks")
