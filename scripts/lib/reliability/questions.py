"""One read request of each dialect, with checks of its answer, which must describe one instant (docs/promises.md R1)."""

INDICATOR = ("connectedUsersIndicator%s{connectedUsersCount countByChatAvailabilityStatus{available busy toggleOff} "
             "usersInProductionChatOccupancy{maximumSimultaneousConversationAverage simultaneousConversationAverage "
             "occupancyRate}}")
# Every user is in group 1 or group 2, so the parts of an answer must add up to its whole.
DOCUMENT = "{all:%s one:%s two:%s}" % tuple(INDICATOR % where for where in ("", "(groupIds:[1])", "(groupIds:[2])"))
VONAGE = {"Accept": "application/vnd.newvoicemedia.v1+json"}


def indicator(answer, users, find):
    found = answer.json()["data"]
    for part in found.values():
        by_status = part["countByChatAvailabilityStatus"]
        if sum(by_status.values()) > part["connectedUsersCount"]:
            find(f"available + busy + toggleOff > connected: {part}")
        full = part["usersInProductionChatOccupancy"]
        if full:
            average, most = full["simultaneousConversationAverage"], full["maximumSimultaneousConversationAverage"]
            if abs(full["occupancyRate"] - 100 * average / most) > 1e-6:
                find(f"occupancy is not current / max: {full}")
    for name in ("connectedUsersCount",):
        if found["all"][name] != found["one"][name] + found["two"][name]:
            find(f"the groups' {name} do not add up: {found}")
    whole, *parts = ([found[part]["countByChatAvailabilityStatus"][status] for status in ("available", "busy", "toggleOff")]
                     for part in ("all", "one", "two"))
    if whole != [sum(pair) for pair in zip(*parts)]:
        find(f"the groups' statuses do not add up: {found}")
    if found["all"]["connectedUsersCount"] > users:
        find(f"more users are connected than exist: {found}")


def availability(answer, users, find):
    found = answer.json()
    sums = sum(found["presenceSummary"].values()), sum(found["availabilitySummary"].values())
    if sums != (users, users):
        find(f"presences and availabilities do not add up to {users}: {found}")


def activity(answer, _users, find):
    found = answer.json()["data"]
    if found["available_agents"] > found["logged_in_agents"]:
        find(f"available > logged in: {found}")


def live(answer, users, find):
    found = answer.json()["data"]
    if len(found) > users or not all(row["connected"] for row in found):
        find(f"{len(found)} rows online, not all of them connected")


# The requests with their checks: method, path, body, headers, check.
QUESTIONS = [
    ("POST", "/graphql", {"query": DOCUMENT}, None, indicator),
    ("POST", "/agents-availability", {"liveness": "live"}, VONAGE, availability),
    ("POST", "/v1/user-activity/search", {"campaign_id": "111"}, None, activity),
    ("GET", "/operator/live", None, None, live),
]


async def ask(client, question, key):
    """Sends one of the requests. Convoso's credential goes into the body."""
    method, path, body, headers, _judge = question
    if path.startswith("/v1/user-activity"):
        body = {**body, "auth_token": key}
    return await client.ask(method, path, body, headers)
