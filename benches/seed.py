"""Makes a tenant for measurements through the HTTP API, and prints its key.

    seed.py --base-url URL --admin-token TOKEN --users N

Makes users 100000 to 100000+N-1, 10 groups, 20 skills, 10 queues, 5 campaigns (111 to 115) and 5 projects. Four fifths
of the desks are connected; some users are away, some have switched a channel off, and about half of the connected ones
hold conversations. The same N always makes the same tenant. Uses the standard library only.
"""
import argparse, datetime, http.client, json, random, urllib.parse, uuid

FIRST_USER = 100_000
DOCUMENT = 10_000  # users in a directory document, well below the limits of size and count
BATCH = 2_000  # events in a request
INDICATOR = ("query($g:[LegacyId!],$c:[LegacyId!]){connectedUsersIndicator(groupIds:$g,campaignIds:$c){connectedUsersCount "
             "countByChatAvailabilityStatus{available busy toggleOff} usersInProductionChatOccupancy"
             "{maximumSimultaneousConversationAverage simultaneousConversationAverage occupancyRate}}}")
KINDS = {"groups": (1, 10), "skills": (1, 20), "queues": (201, 10), "campaigns": (111, 5), "projects": (1, 5)}


def guid(kind, number):
    return str(uuid.UUID(int=(sorted(KINDS).index(kind) + 1) << 64 | number, version=4))


class Api:
    def __init__(self, base_url):
        url = urllib.parse.urlsplit(base_url)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=300)

    def call(self, method, path, token, body):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.connection.request(method, path, json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if not 200 <= answer.status < 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:500]}")
        return json.loads(text)


def user(number, rng):
    some = {kind: sorted(rng.sample(range(first, first + count), rng.randint(1, 3))) for kind, (first, count) in KINDS.items()}
    return {"id": number, "external_id": f"agent-{number}", "name": f"Agent {number}", "email": f"agent-{number}@bench.example",
            "roles": ["operator"] if rng.random() < 0.9 else ["manager", "operator"],
            "groups": some["groups"], "skills": some["skills"], "queues": some["queues"],
            "campaigns": some["campaigns"][: rng.randint(0, 2)], "projects": some["projects"],
            "channels": {"chat": {"enabled": True, "max_slots": rng.randint(1, 4)}, "call": {"enabled": rng.random() < 0.8, "max_slots": 1},
                         "video": {"enabled": rng.random() < 0.2, "max_slots": 1}},
            "chat_and_call": rng.random() < 0.5}


def desk(number, rng):
    """Yields the events of one desk: type, user and data."""
    if rng.random() < 0.2:
        return
    yield "desk.connected", number, {"session": f"desk-{number}"}
    if rng.random() < 0.15:
        yield "status.changed", number, {"presence": rng.choice(("Away", "ExtendedAway"))}
    if rng.random() < 0.1:
        yield "status.changed", number, {"channels": {rng.choice(("chat", "call")): False}}
    for n in range(rng.choice((0, 0, 0, 1, 1, 2))):
        yield "slot.taken", number, {"channel": "chat", "conversation": f"chat-{number}-{n}"}
    if rng.random() < 0.2:
        yield "slot.taken", number, {"channel": "call", "conversation": f"call-{number}"}


def make_tenant(api, admin_token):
    """Makes a tenant with reference data and no users. Returns its key."""
    tenant = api.call("POST", "/v1/tenants", admin_token, {"name": f"bench-{uuid.uuid4().hex[:8]}"})
    key = api.call("POST", f"/v1/tenants/{tenant['id']}/keys", admin_token, {"name": "bench", "scopes": ["*"]})["key"]
    reference = {kind: [{"id": n, "guid": guid(kind, n), "name": f"{kind[:-1].title()} {n}"} for n in range(first, first + count)]
                 for kind, (first, count) in KINDS.items()}
    api.call("PUT", "/v1/directory", key, reference)
    return key


def documents(users, rng):
    """Yields the directory documents of a number of users."""
    numbers = range(FIRST_USER, FIRST_USER + users)
    for start in range(0, users, DOCUMENT):
        yield {"users": [user(n, rng) for n in numbers[start : start + DOCUMENT]]}


def send(api, key, events):
    """Sends events, given as type, user and data, of which each must be applied."""
    time = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    events = [{"specversion": "1.0", "id": f"seed-{n}", "source": "/bench/seed", "type": kind, "subject": str(number), "time": time, "data": data}
              for n, (kind, number, data) in enumerate(events)]
    for start in range(0, len(events), BATCH):
        results = api.call("POST", "/v1/events", key, events[start : start + BATCH])["results"]
        wrong = [r for r in results if r["outcome"] != "applied"]
        if wrong:
            raise SystemExit(f"not applied: {wrong[:3]}")


def fill(api, admin_token, users, desks=None):
    """Makes a tenant with its users, of which the first have desks: all by default. Returns its key."""
    key, rng = make_tenant(api, admin_token), random.Random(users)
    for some in documents(users, rng):
        api.call("PUT", "/v1/directory", key, some)
    numbers = range(FIRST_USER, FIRST_USER + (users if desks is None else desks))
    send(api, key, [made for number in numbers for made in desk(number, rng)])
    return key


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--base-url", required=True)
    p.add_argument("--admin-token", required=True)
    p.add_argument("--users", type=int, required=True)
    a = p.parse_args()
    print(fill(Api(a.base_url), a.admin_token, a.users))


if __name__ == "__main__":
    main()
