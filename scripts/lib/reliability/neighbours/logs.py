"""An attack with log lines that are never read."""
import random

from client import request
from neighbours.row import Row


class UnreadLog(Row):
    """Has every request logged to an output that is a pipe of 4 KiB and never read."""
    name, title = "unread-log", "requests that are logged, into a pipe that is never read"
    credential, budget, deaf, log = "none", "logs", True, "info"

    async def attack(self):
        made = [request("GET", path, "rk_" + "x" * 40) for path in ("/operator/live", "/openapi.json", "/nothing")]
        await self.crowd(4, lambda: random.choice(made))


ROWS = (UnreadLog,)
