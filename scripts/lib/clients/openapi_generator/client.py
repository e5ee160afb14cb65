"""openapi-generator, python: a package with models that check values, whose calls mypy checks in its strict mode."""
import datetime
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "python"))

from rollcall_client import (  # noqa: E402
    ApiClient, ApiException, AvailabilityCriteria, CloudEvent, Configuration, ConvosoApi, ConvosoFailure,
    DeskConnectedData, DeskConnectedEvent, EventsAndDirectoryApi, IAdvizeRESTApi, VonageContactCenterApi)

KEY = os.environ["SERVICE_KEY"]
GROUP_GUIDS = [f"60000{number:03}-0000-4000-8000-000000000001" for number in (98, 99)]
configuration = Configuration(host=os.environ["SERVICE_URL"], access_token=KEY,
                              api_key={"api_key": KEY, "auth_token": KEY})
client = ApiClient(configuration)
rest, convoso, vonage = IAdvizeRESTApi(client), ConvosoApi(client), VonageContactCenterApi(client)


def ids() -> list[int]:
    return [operator.id for operator in rest.list_live(filters_group_id=["98", "99"]).data or []]


def ready() -> int:
    return vonage.agents_availability(AvailabilityCriteria(groupGuids=GROUP_GUIDS)).presence_summary.ready


assert ids() == [101, 102, 104], ids()
counts = convoso.count_agents(campaign_id=["111", "112"]).to_dict()
assert counts == {"success": True, "data": {"available_agents": 2, "logged_in_agents": 3}}, counts
assert ready() == 2, ready()

now = datetime.datetime.now(datetime.timezone.utc)
event = DeskConnectedEvent(type="desk.connected", id="eve", source="/clients", subject="105", time=now,
                           data=DeskConnectedData(session="desk-105"))
taken = EventsAndDirectoryApi(client).post_events(CloudEvent(event))
assert [result.outcome for result in taken.results] == ["applied"], taken
assert ids() == [101, 102, 104, 105], ids()
assert ready() == 3, ready()

try:
    rest.list_live(filters_group_id=["none"])
    raise AssertionError("a group that is no id was not refused")
except ApiException as refused:
    assert refused.status == 400 and '"fail"' in str(refused.body), refused
invalid = convoso.count_agents(campaign_id=["abc"]).actual_instance
assert isinstance(invalid, ConvosoFailure) and invalid.code == 6026, invalid
print("openapi-generator, python: 8 checks")
