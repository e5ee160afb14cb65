"""The gql client for Python, which reads the schema from the service and validates every document. It is
used by POST, since it sends JSON in the body of a GET, where the specification has parameters."""
import os
import pathlib

from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from graphql import GraphQLError, parse, print_ast

URL = os.environ["SERVICE_URL"] + "/graphql"
BEARER = {"Authorization": "Bearer " + os.environ["SERVICE_KEY"]}
CONVERSATIONS = [f"c000000{n}-0000-4000-8000-000000000001" for n in (1, 2, 3)]

client = Client(transport=RequestsHTTPTransport(url=URL, headers=BEARER), fetch_schema_from_transport=True)
document = parse((pathlib.Path(__file__).parents[1] / "apollo/operations.graphql").read_text())
operations = {one.name.value: gql(print_ast(one)) for one in document.definitions}
with client as session:
    ask = lambda name, **variables: session.execute(GraphQLRequest(operations[name], variable_values=variables))
    assert client.schema.get_type("Conversation").fields["contacts"].description
    answer = ask("Contacts", id=CONVERSATIONS[0])["conversation"]
    contacts = [(one["start"], one["end"], one["ending"], one["routingRule"]["name"]) for one in answer["contacts"]]
    assert contacts == [("2019-01-04T11:00:01Z", "2019-01-04T11:00:05Z", "SNOOZED", "Escalation"),
                        ("2019-01-04T11:05:05Z", "2019-01-04T11:10:00Z", "CLOSED", "Escalation")], contacts
    assert (answer["duration"], [user["id"] for user in answer["users"]]) == ("PT10M", [101]), answer
    pushes = [edge["node"]["toUser"] for edge in answer["messages"]["edges"]]
    assert pushes == [{"id": 101}, None, {"id": 101}, None], pushes
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
    assert ask("Connected", groups=[98, 99])["connectedUsersIndicator"]["connectedUsersCount"] == 3
print("gql: 10 checks")
