"""Runs the examples of the vendors' documents (seeds) against a service. Only the address and credentials are replaced.

    python seeds.py SEEDS BASE_URL ADMIN_TOKEN
"""

import contextlib
import datetime
import glob
import io
import json
import re
import subprocess
import sys
import time

import requests

seeds, base, admin = sys.argv[1:]
SKILLS = ["457857dc-19eb-4eb9-b562-c90ca37de447", "ba06533c-fe7b-49a3-b868-886086fd001d"]
GROUPS = ["69962baf-e196-461b-9547-aabd8db075fc", "4787b940-ef6d-4861-96f9-d0cd94ac68c4"]


def seed(number):
    (path,) = glob.glob(f"{seeds}/{number}_*")
    return open(path, encoding="utf-8").read()


def ask(method, path, token, body):
    answer = requests.request(method, base + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    answer.raise_for_status()
    return answer.json()


def stage():
    """Makes a tenant with three agents of campaign 111: two are connected, one of these is free for a call."""
    tenant = ask("POST", "/v1/tenants", admin, {"name": "seeds"})["id"]
    made = ask("POST", f"/v1/tenants/{tenant}/keys", admin, {"name": "seeds", "scopes": ["*"]})
    channels = {name: {"enabled": True, "max_slots": 2} for name in ("chat", "call", "third_party")}
    agent = {"roles": ["operator"], "campaigns": [111], "channels": channels}
    named = lambda guids: [{"guid": guid, "name": f"thing {guid[:4]}"} for guid in guids]
    # The seed uses the same GUIDs for queues and skills.
    ask("PUT", "/v1/directory", made["key"], {
        "campaigns": [{"id": 111, "name": "Sales"}],
        "skills": named(SKILLS), "queues": named(SKILLS), "groups": named(GROUPS),
        "users": [
            {"id": 1, "name": "Ann", "skills": SKILLS, "queues": SKILLS[:1], "groups": GROUPS[1:], **agent},
            {"id": 2, "name": "Ben", "skills": SKILLS[:1], **agent},
            {"id": 3, "name": "Cleo", "skills": SKILLS, **agent},
        ],
    })
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = lambda n, kind, user, **data: {
        "specversion": "1.0", "id": str(n), "source": "/seeds", "type": kind, "subject": user, "time": now, "data": data}
    ask("POST", "/v1/events", made["key"], [
        event(1, "desk.connected", "1", session="a"),
        event(2, "desk.connected", "2", session="b"),
        event(3, "status.changed", "2", presence="Away"),
    ])
    return made


def indented(snippet):
    """Restores the lost indentation of a snippet: def and while extend to the end, if and elif have one statement."""
    lines, depth, brackets, single = [], 0, 0, False
    for line in snippet.strip().splitlines():
        line = line.strip()
        if brackets == 0:
            if re.fullmatch(r"\w+\(\)", line):
                depth = 0
            lines.append("    " * depth + line)
            if single:
                depth, single = depth - 1, False
            if line.endswith(":"):
                depth, single = depth + 1, line.startswith(("if ", "elif "))
        else:
            lines.append(line)
        brackets += sum(line.count(c) for c in "([{") - sum(line.count(c) for c in ")]}")
    return "\n".join(lines)


class Slept(Exception):
    """Ends an endless loop after one iteration."""


def convoso(key):
    text = seed("001").replace("https://api.convoso.com", base)
    # A heading ends a snippet. In some places the line break before it is lost.
    snippets = re.findall(r"^python\n(import requests\n.*?\))\n?(?=[A-Z][\w-]+(?: \w+)+\n)", text, re.S | re.M)
    assert len(snippets) == 2, f"{len(snippets)} snippets"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(indented(snippets[0]), {"token": key})
    assert said.getvalue() == "Available: 1\nLogged In: 2\nUtilization: 50.0%\n", said.getvalue()
    alerts = []

    def sleep(seconds):
        assert seconds == 60
        raise Slept

    real, time.sleep = time.sleep, sleep
    try:
        exec(indented(snippets[1]), {"token": key, "alert": alerts.append})
    except Slept:
        pass
    finally:
        time.sleep = real
    assert alerts == ["Critical: Low availability!"], alerts
    return len(snippets)


def vonage(made):
    form = {"grant_type": "client_credentials", "client_id": made["id"], "client_secret": made["key"],
            "scope": "agents-availability:read"}
    token = requests.post(f"{base}/Auth/connect/token", data=form, timeout=30).json()["access_token"]
    lines = re.findall(r"^curl .*$", seed("004"), re.M)
    expected = [
        ({"Ready": 1, "Away": 0, "ExtendedAway": 0, "LoggedOut": 1}, {"available": 1, "incompatiblePresence": 1, "insufficientCapacity": 0}),
        ({"Ready": 1, "Away": 0, "ExtendedAway": 0, "LoggedOut": 0}, {"available": 1, "incompatiblePresence": 0, "insufficientCapacity": 0}),
        ({"Ready": 1, "Away": 0, "ExtendedAway": 0, "LoggedOut": 0}, {"available": 1, "incompatiblePresence": 0, "insufficientCapacity": 0}),
    ]
    assert len(lines) == len(expected), lines
    for line, (presences, availability) in zip(lines, expected):
        # The backslash was at the end of a line.
        line = re.sub(r"https://\*+\.api\.newvoicemedia\.com", base, line).replace("<ACCESS_TOKEN>", token).replace("\\ --", "--")
        answer = json.loads(subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout)
        assert answer == {"presenceSummary": presences, "availabilitySummary": availability}, (line, answer)
    return len(lines)


made = stage()
print(f"{convoso(made['key'])} Python snippets and {vonage(made)} curl lines of the seeds ran as documented")
