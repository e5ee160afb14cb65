"""Reads all closed conversations of a replayed trace, and compares them with a naive pass over the trace's events.

    contacts.py TRACE BASE_URL KEY FROM TO

Pages closedConversations by 100 over FROM to TO, first forward, then backward. Each way must return every conversation
that the events closed exactly once, in order, with the contacts of the events: start, end, user and ending.
"""
import base64, collections, json, sys, urllib.request

trace, base, key, start, end = sys.argv[1:]

QUERY = """query($from: DateTime!, $to: DateTime!, $first: Int, $after: String, $last: Int, $before: String) {
  closedConversations(interval: {from: $from, to: $to}, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id createdAt closedAt channel project { id } users { id }
                          contacts { start end ending channel user { id } } } }
    pageInfo { startCursor endCursor hasPreviousPage hasNextPage } } }"""

ENDINGS = {"conversation.transferred": "TRANSFERRED", "conversation.closed": "CLOSED"}


def expected():
    """Computes the closed conversations from the events, ordered by time and then by arrival. Each push is a contact."""
    arrived = [json.loads(line) for line in open(f"{trace}/events.ndjson")]
    once = {event["id"]: (event["time"], n, event) for n, event in reversed(list(enumerate(arrived)))}
    conversations = collections.defaultdict(lambda: {"contacts": []})
    for time, _, event in sorted(once.values(), key=lambda one: one[:2]):
        kind, data = event["type"], event["data"]
        if not kind.startswith("conversation."):
            continue
        known = conversations[data["conversation"]]
        if known["contacts"] and known["contacts"][-1]["end"] is None:
            ending = ENDINGS.get(kind, "TRANSFERRED")
            known["contacts"][-1].update(end=time, ending=ending)
        if kind == "conversation.pushed":
            known.setdefault("createdAt", time)
            known.setdefault("channel", data["channel"].upper())
            known.setdefault("project", {"id": data["project"]})
            known["contacts"].append({"start": time, "end": None, "ending": None, "channel": data["channel"].upper(),
                                      "user": {"id": int(event["subject"])}})
        elif kind == "conversation.closed":
            known["closedAt"] = time
    for known in conversations.values():
        users = [contact["user"]["id"] for contact in known["contacts"]]
        known["users"] = [{"id": user} for user in dict.fromkeys(users)]
    return {id: known for id, known in conversations.items() if "closedAt" in known}


def ask(variables):
    body = json.dumps({"query": QUERY, "variables": {"from": start, "to": end, **variables}}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{base}/graphql", body, headers), timeout=60) as answer:
        answer = json.load(answer)
    assert "errors" not in answer, answer["errors"][:1]
    return answer["data"]["closedConversations"]


def pages(size, cursor, more, own):
    """Yields every page, in the order of the requests."""
    variables = {size: 100}
    while True:
        page = ask(variables)
        yield page["edges"]
        if not page["pageInfo"][more]:
            return
        variables[cursor] = page["pageInfo"][own]


def check(edges, wanted):
    seen = [edge["node"] for edge in edges]
    ids = [node["id"] for node in seen]
    assert len(set(ids)) == len(ids), f"{len(ids) - len(set(ids))} are returned more than once"
    missing, more = wanted.keys() - set(ids), set(ids) - wanted.keys()
    assert not missing and not more, f"{len(missing)} are missing, {len(more)} are unexpected"
    places = [base64.b64decode(edge["cursor"]).decode().split("&&") for edge in edges]
    assert places == sorted(places, key=lambda place: (int(place[0]), place[1])), "they are out of order"
    for node in seen:
        id = node.pop("id")
        assert node == wanted[id], f"{id}:\n  expected {wanted[id]}\n  got      {node}"


wanted = expected()
forward = list(pages("first", "after", "hasNextPage", "endCursor"))
check([edge for page in forward for edge in page], wanted)
backward = list(pages("last", "before", "hasPreviousPage", "startCursor"))
check([edge for page in reversed(backward) for edge in page], wanted)
contacts = sum(len(known["contacts"]) for known in wanted.values())
print(f"CONTACTS {len(wanted)} closed conversations with {contacts} contacts, {len(forward)} pages forward and {len(backward)} backward")
