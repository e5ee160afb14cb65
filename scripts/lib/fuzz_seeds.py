"""Writes the first corpus of each fuzz target from the requests of the acceptance vectors.

    fuzz_seeds.py VECTORS CORPUS
"""
import base64
import hashlib
import json
import pathlib
import sys

vectors, corpus = map(pathlib.Path, sys.argv[1:])


def keep(target, text):
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


for path in vectors.glob("*.json"):
    for step in json.loads(path.read_text())["steps"]:
        request = step["request"]
        body, where = request.get("json"), request["path"]
        if where == "/v1/events" and body is not None:
            events = body if isinstance(body, list) else [body]
            keep("events", "\n".join(json.dumps(event).replace("{{now+0}}", "2023-12-31T00:00:00Z") for event in events))
        if where == "/graphql" and isinstance(body, dict) and isinstance(body.get("query"), str):
            keep("graphql", body["query"])
        for form in (request.get("form"), where.partition("?")[2]):
            if form:
                keep("forms", form)
# Documents that would end the process, or take seconds, if the guard accepted them.
keep("graphql", "{a(b:" + "[" * 8000 + "]" * 8000 + ")}")
keep("graphql", "{...f} fragment f on Query {...f}")
keep("graphql", "{...f0}" + "".join(f" fragment f{n} on Query {{...f{n + 1} ...f{n + 1}}}" for n in range(40)))
keep("cursors", base64.b64encode(b"1546600333000&&cbe51cd9-0000-4000-8000-00000000000a&&25a037dd").decode() + "\0\0\0\0\1")
