"""Sends the requests of benches/archive.sh: makes a tenant to fill, and times pages.

    archive.py tenant BASE_URL ADMIN_TOKEN
    archive.py pages BASE_URL KEY PAGE ROUNDS PLACE
"""
import base64, http.client, json, statistics, sys, time, urllib.parse

QUERY = """query($after: String, $userIds: [LegacyId!]) {
  closedConversations(interval: {from: "2025-06-15T00:00:00Z", to: "2025-09-14T00:00:00Z"}, userIds: $userIds,
                      first: 100, after: $after) {
    edges { cursor node { id createdAt closedAt channel contacts { start end ending user { id } } } }
    pageInfo { endCursor hasNextPage } } }"""


class Client:
    def __init__(self, base):
        url = urllib.parse.urlsplit(base)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)

    def ask(self, method, path, token, body):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.connection.request(method, path, json.dumps(body), headers)
        answer = self.connection.getresponse()
        raw = answer.read()
        assert answer.status < 300, (answer.status, raw[:300])
        return json.loads(raw)


def tenant(base, admin):
    client = Client(base)
    id = client.ask("POST", "/v1/tenants", admin, {"name": "archive"})["id"]
    key = client.ask("POST", f"/v1/tenants/{id}/keys", admin, {"name": "bench", "scopes": ["*"]})["key"]
    users = [{"id": n, "name": f"User {n}", "roles": ["operator"]} for n in range(1, 501)]
    client.ask("PUT", "/v1/directory", key, {"users": users})
    print(id, key)


def pages(base, key, page, rounds, last):
    client = Client(base)

    def timed(after, users=None):
        began = time.perf_counter()
        variables = {"after": after, "userIds": users}
        answer = client.ask("POST", "/graphql", key, {"query": QUERY, "variables": variables})
        took = (time.perf_counter() - began) * 1000
        assert "errors" not in answer, answer["errors"][:1]
        edges = answer["data"]["closedConversations"]["edges"]
        assert len(edges) == 100, len(edges)
        return took, edges[-1]["cursor"]

    # The last part of a cursor names the list, which is the same on every page.
    of_list = base64.b64decode(timed(None)[1]).decode().rpartition("&&")[2]
    late = base64.b64encode(f"{last}&&{of_list}".encode()).decode()
    # One user has a 500th of the conversations.
    lists = {"page 1": (None, None), f"page {page}": (late, None), "page 1 of one user": (None, [7])}
    took = {name: [] for name in lists}
    for turn in range(int(rounds) + 5):
        for name, (cursor, users) in lists.items():
            one, _ = timed(cursor, users)
            if turn >= 5:  # the first rounds warm the caches up
                took[name].append(one)
    medians = {name: statistics.median(times) for name, times in took.items()}
    for name, times in took.items():
        print(f"{name:>18}: median {medians[name]:.2f} ms, fastest {min(times):.2f}, slowest {max(times):.2f}")
    first, last, rare = medians.values()
    print(f"over page 1: the late one {last / first:.2f}, that of one user {rare / first:.2f}")


{"tenant": tenant, "pages": pages}[sys.argv[1]](*sys.argv[2:])
