"""Tests the service with the gql client for Python, which reads the schema from it and validates every document.

    client.py BASE_URL ADMIN_TOKEN

Makes a tenant with the chronology of the seed, queries it, and prints the tenant's key, the conversation's id and the
routing rule's id for the next client.
"""
import datetime, pathlib, sys

import requests
from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from graphql import GraphQLError, parse, print_ast

base, admin = sys.argv[1:]
RULE = "20000000-0000-4000-9000-000000000001"
GROUP = "10000001-0000-4000-9000-000000000001"
CONVERSATIONS = [f"c000000{n}-0000-4000-8000-000000000001" for n in (1, 2, 3)]


def post(method, path, token, body):
    answer = requests.request(method, base + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    answer.raise_for_status()
    return answer.json()


def stage():
    tenant = post("POST", "/v1/tenants", admin, {"name": "clients"})["id"]
    key = post("POST", f"/v1/tenants/{tenant}/keys", admin, {"name": "clients", "scopes": ["*"]})["key"]
    post("PUT", "/v1/directory", key, {
        "projects": [{"id": 7, "name": "Retail"}],
        "routing_groups": [{"guid": GROUP, "name": "First line"}],
        "routing_rules": [{"guid": RULE, "name": "Escalation", "routing_groups": [GROUP]}],
        "users": [{"id": 1, "name": "Ann", "roles": ["operator"], "routing_groups": [GROUP],
                   "channels": {"chat": {"enabled": True, "max_slots": 2}}}],
    })
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    events = [("desk.connected", now, {"session": "a"}, "1")]
    for hour, id in zip((11, 12, 13), CONVERSATIONS):
        at = lambda clock: f"2019-01-04T{hour}:{clock}Z"
        events += [
            ("conversation.started", at("00:00"), {"conversation": id, "project": 7, "channel": "CHAT"}, None),
            ("conversation.routed", at("00:00"), {"conversation": id, "routing_rule": RULE, "routing_group": GROUP}, None),
            ("conversation.pushed", at("00:01"), {"conversation": id, "channel": "CHAT"}, "1"),
            ("conversation.snoozed", at("00:05"), {"conversation": id}, None),
            ("conversation.pushed", at("05:05"), {"conversation": id, "channel": "CHAT"}, "1"),
            ("conversation.closed", at("10:00"), {"conversation": id}, None),
        ]
    batch = [{"specversion": "1.0", "id": str(n), "source": "/clients", "type": kind, "time": time, "data": data,
              **({"subject": subject} if subject else {})} for n, (kind, time, data, subject) in enumerate(events)]
    results = post("POST", "/v1/events", key, batch)["results"]
    assert {result["outcome"] for result in results} == {"applied"}, results
    return key


key = stage()
transport = RequestsHTTPTransport(url=f"{base}/graphql", headers={"Authorization": f"Bearer {key}"})
client = Client(transport=transport, fetch_schema_from_transport=True)
document = parse(pathlib.Path(__file__).with_name("operations.graphql").read_text())
operations = {one.name.value: gql(print_ast(one)) for one in document.definitions}
with client as session:
    ask = lambda name, **variables: session.execute(GraphQLRequest(operations[name], variable_values=variables))
    assert client.schema.get_type("Conversation").fields["contacts"].description
    answer = ask("Contacts", id=CONVERSATIONS[0])["conversation"]
    contacts = [(one["start"], one["end"], one["ending"], one["routingRule"]["name"]) for one in answer["contacts"]]
    assert contacts == [("2019-01-04T11:00:01Z", "2019-01-04T11:00:05Z", "SNOOZED", "Escalation"),
                        ("2019-01-04T11:05:05Z", "2019-01-04T11:10:00Z", "CLOSED", "Escalation")], contacts
    assert (answer["duration"], [user["id"] for user in answer["users"]]) == ("PT10M", [1]), answer
    pushes = [edge["node"]["toUser"] for edge in answer["messages"]["edges"]]
    assert pushes == [{"id": 1}, None, {"id": 1}, None], pushes
    assert ask("Projects")["projects"]["edges"][0]["node"] == {"id": 7, "name": "Retail"}
    interval = {"from": "2019-01-04T00:00:00Z", "to": "2019-01-04T23:59:59Z"}
    page = ask("Closed", interval=interval, first=2)["closedConversations"]
    rest = ask("Closed", interval=interval, after=page["pageInfo"]["endCursor"])["closedConversations"]
    seen = [edge["node"]["id"] for edge in page["edges"] + rest["edges"]]
    assert (seen, rest["pageInfo"]["hasNextPage"]) == (CONVERSATIONS, False), seen
    try:
        ask("Closed", interval=interval, first=101)
        raise SystemExit("a page of 101 was not rejected")
    except TransportQueryError as refused:
        assert refused.errors[0]["extensions"]["name"] == "INVALID_ARGUMENT", refused.errors
    try:
        session.execute(gql("{conversations{edges{node{nothing}}}}"))
        raise SystemExit("the client did not validate the document")
    except GraphQLError:
        pass
print("gql", "reads the schema and agrees with the service", file=sys.stderr)
print(key, CONVERSATIONS[0], RULE)
