"""Lines that are logged and never read."""
import random

from client import request
from neighbours.row import Row


class UnreadLog(Row):
    """The service's output is a pipe of 4 KiB that is never read, and every request is logged."""
    name, title = "unread-log", "requests that are logged, into a pipe that is never read"
    credential, budget, deaf, log = "none", "logs", True, "info"

    async def attack(self):
        made = [request("GET", path, "rk_" + "x" * 40) for path in ("/operator/live", "/openapi.json", "/nothing")]
        await self.crowd(4, lambda: random.choice(made))


ROWS = (UnreadLog,)
