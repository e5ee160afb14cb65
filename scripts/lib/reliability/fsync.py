"""Counts the service's syncs of its file while it acknowledges events (docs/promises.md W1), which no kill can show.

An idle service syncs once a second as well, to know that its store accepts writes."""
import argparse
import asyncio
import re
import signal
import subprocess
import sys
import tempfile

from client import Client
from service import Service
from world import event, make_tenants

WRITES = 100


async def syncs(service, client, events, folder):
    """Sends the events one after the other and returns the number of calls of fsync and fdatasync meanwhile."""
    path = f"{folder}/strace"
    tracer = subprocess.Popen(["strace", "-f", "-q", "-e", "trace=fsync,fdatasync", "-o", path, "-p",
                               str(service.process.pid)], stderr=subprocess.DEVNULL)
    await asyncio.sleep(1)
    for made in events:
        answer = (await client.post([made])).ok().json()
        if answer["results"][0]["outcome"] != "applied":
            raise AssertionError(answer)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(10)
    with open(path) as file:
        return len(re.findall(r"\bf(?:data)?sync\(", file.read()))


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    a = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="rollcall-fsync.") as folder:
        # Checkpoints sync as well, so none may be written while the calls are counted.
        service = Service(a.program, folder, None, ["--checkpoint-seconds", "3600"])
        try:
            await service.start()
            tenant = (await make_tenants(service.port, 1, WRITES))[0]
            client = Client(service.port, tenant.key)
            desks = [event(f"open-{n}", "desk.connected", {"session": "desk"}, n) for n in range(1, WRITES + 1)]
            beats = [event(f"beat-{n}", "desk.heartbeat", {"session": "desk"}, n) for n in range(1, WRITES + 1)]
            written = await syncs(service, client, desks, folder)
            beaten = await syncs(service, client, beats, folder)
        finally:
            service.kill()
    print(f"== fsync: {written} for {WRITES} acknowledged events, {beaten} for {WRITES} heartbeats")
    if written < WRITES or beaten > WRITES // 10:
        sys.exit("not every acknowledged event was synced, or heartbeats were, which makes the count meaningless")


if __name__ == "__main__":
    asyncio.run(main())
