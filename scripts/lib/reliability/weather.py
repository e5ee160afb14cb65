"""Injects one fault a row and checks that the promises hold (docs/promises.md W6, S1, S2); each row has a control."""
import argparse
import asyncio
import os
import sys
import tempfile
import time

import weather_clocks
import weather_desks
import weather_network
import weather_stores
from client import Gone
from service import Postgres, Service
from tasks import end_tasks

# Each row, and a part of the finding that its control must cause.
ROWS = {
    "slow-fsync": (weather_stores.slow_fsync, "never-sent was acknowledged and is lost"),
    "paused-process": (weather_desks.paused_process, "were logged off"),
    "heavy-import": (weather_desks.heavy_import, "were logged off"),
    "silent-desks": (weather_desks.silent_desks, "silent desks are counted"),
    "cut-append": (weather_network.cut_append, "never-sent was acknowledged and is lost"),
    "silent-network": (weather_network.silent_network, "the first 2xx came"),
    "jumping-clock": (weather_clocks.jumping_clock, "ids that were consumed are"),
    "producer-ahead": (weather_clocks.producer_ahead, "the truth is stale"),
    "unfit-database": (weather_stores.unfit_database, "was served"),
    "unreadable-tenant": (weather_stores.unreadable_tenant, "of the spoilt tenant is 200"),
    "second-server": (weather_stores.second_server, "was not refused"),
}


class Stage:
    """The environment of a row: the program, a folder, databases, and the flags `short` and `control`."""

    def __init__(self, program, folder, short, control):
        self.program, self.folder, self.short, self.control = os.path.abspath(program), folder, short, control
        self.services, self.findings, self.figures, self.count = [], [], [], 0

    def find(self, what):
        self.findings.append(what)

    def figure(self, what):
        self.figures.append(what)

    def database(self, options=""):
        """Creates an empty database and returns its URL."""
        self.count += 1
        name, base = f"weather_{os.getpid()}_{self.count}_{time.monotonic_ns() % 10**9}", os.environ["TEST_POSTGRES"]
        Postgres().run(f"CREATE DATABASE {name} {options}")
        return f"{base.rsplit('/', 1)[0]}/{name}"

    def service(self, url=None, flags=(), environment=None):
        """Returns a service that is not started yet."""
        self.count += 1
        service = Service(self.program, f"{self.folder}/service-{self.count}", url, flags)
        service.environment.update(environment or {})
        self.services.append(service)
        return service

    def end(self):
        for service in self.services:
            service.kill()


async def run(name, arguments, folder):
    """Runs one row. Returns True if it passed; a control passes if it causes its finding."""
    os.makedirs(folder)
    row, words = ROWS[name]
    stage, began = Stage(arguments.program, folder, arguments.short, arguments.control), time.monotonic()
    try:
        await row(stage)
    except (AssertionError, Gone) as error:
        stage.find(f"{error}")
    finally:
        stage.end()
        await end_tasks()
    seconds, figures = time.monotonic() - began, "; ".join(stage.figures)
    if stage.control:
        found = [finding for finding in stage.findings if words in finding]
        print(f"   control {name}: {found[0][:300] if found else f'NOT FOUND among {stage.findings[:3]}'}", flush=True)
        return bool(found)
    print(f"   {name}: {figures}{'; ' if figures else ''}{len(stage.findings)} findings, {seconds:.0f} s", flush=True)
    for finding in stage.findings[:5]:
        print(f"      {finding[:600]}", flush=True)
    return not stage.findings


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--only", action="append", choices=ROWS, help="run this row only; may be repeated")
    p.add_argument("--short", action="store_true", help="run each row for a few seconds")
    p.add_argument("--control", action="store_true", help="seed an error in each row, which must be found")
    a = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="rollcall-weather.") as folder:
        print("== weather", flush=True)
        failed = [name for name in a.only or ROWS if not await run(name, a, f"{folder}/{name}")]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    asyncio.run(main())
