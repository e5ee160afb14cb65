"""Calls by requests for Python, with which the published examples are written: lists as repeated names in queries and
forms, as an array in JSON, and as parts of multipart/form-data."""
import os

import requests

URL = os.environ["SERVICE_URL"] + "/v1/user-activity/search"
KEY = os.environ["SERVICE_KEY"]
COUNTS = {"success": True, "data": {"available_agents": 2, "logged_in_agents": 3}}
search = {"auth_token": KEY, "campaign_id": ["111", "112"], "queue_id": None, "user_id": ""}
calls = {
    "the query of GET": lambda: requests.get(URL, params=search),
    "the query of POST": lambda: requests.post(URL, params=search),
    "the form of POST": lambda: requests.post(URL, data=search),
    "the form of POST, as a published example": lambda: requests.post(
        "%s" % URL, data={"auth_token": KEY, "campaign_id": "111,112"}),
    "JSON": lambda: requests.post(URL, json=search),
    "multipart/form-data": lambda: requests.post(
        URL, files=[("auth_token", (None, KEY)), ("campaign_id[]", (None, "111")), ("campaign_id[]", (None, "112"))]),
}
for name, call in calls.items():
    answer = call()
    assert answer.json() == COUNTS, f"{name}: {answer.status_code} {answer.text}"
refused = requests.post(URL, data={"auth_token": KEY, "campaign_id": ["111", "abc"]})
assert (refused.status_code, refused.json()["code"]) == (200, 6026), refused.text
print("requests:", len(calls) + 1, "checks")
