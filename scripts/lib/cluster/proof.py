"""Runs rows of faults on a cluster, each of which has a control that must be found (docs/promises.md W1, W2, S1, S2)."""
import argparse
import asyncio
import os
import sys
import time

import looks
import rounds
from stage import Cluster, Network, temporary
from tasks import end_tasks

# Each row, a part of the finding that its control must cause, and whether the row or its control drops packets.
ROWS = {
    "replicas": (rounds.replicas, "", (False, False)),
    "primary": (rounds.primary, "is lost", (False, True)),
    "frozen": (rounds.frozen, "is lost", (False, False)),
    "balancers": (rounds.balancers, "the first 2xx came", (False, False)),
    "desks": (rounds.desks, "were logged off", (False, False)),
    "rolling": (rounds.rolling, "during a rolling restart", (False, False)),
    "credentials": (looks.credentials, "does not hold everywhere", (False, False)),
    "cut-off": (looks.cut_off, "of the replica that is cut off is 200", (True, True)),
    "history": (looks.history, "after another client at", (False, False)),
    "sticky": (looks.sticky, "went back from", (False, False)),
}
LONG = ["frozen", "sticky"]  # not in the short form; in the first Patroni's lease has to run out
DRAIN = 4  # seconds: HAProxy needs two checks, one a second
FLAGS = ["--checkpoint-seconds", "1", "--max-staleness", str(looks.MAX_STALENESS)]


class Stage:
    """What a row works with: the cluster, the flags `short` and `control`, and its findings and figures."""

    def __init__(self, cluster, short, control):
        self.cluster, self.short, self.control = cluster, short, control
        self.network = Network() if Network.is_ours() else None
        self.findings, self.figures, self.missed = [], [], []

    def find(self, what):
        self.findings.append(what)

    def figure(self, what):
        self.figures.append(what)

    def ports(self):
        return [replica.port for replica in self.cluster.replicas]


async def run(cluster, name, arguments):
    """Runs one row. Returns True if it passed; a control passes if it causes its finding."""
    row, words, drops = ROWS[name]
    stage, began = Stage(cluster, arguments.short, arguments.control), time.monotonic()
    if drops[arguments.control] and stage.network is None:
        print(f"   {name}: not run, since packets can be dropped only by root in a network namespace of its own", flush=True)
        return True
    try:
        await row(stage)
    except Exception as error:  # whatever it is, the row has failed
        stage.find(f"{type(error).__name__}: {error}")
    finally:
        await end_tasks()
    seconds, figures = time.monotonic() - began, "; ".join(filter(None, stage.figures))
    if stage.control:
        found = [finding for finding in stage.findings if words in finding]
        is_found = bool(found) and not stage.missed
        print(f"   control {name}: {found[0][:300] if is_found else f'NOT FOUND: {stage.missed or stage.findings[:3]}'}", flush=True)
        return is_found
    print(f"   {name}: {figures}{'; ' if figures else ''}{len(stage.findings)} findings, {seconds:.0f} s", flush=True)
    for finding in stage.findings[:5]:
        print(f"      {finding[:600]}", flush=True)
    return not stage.findings


def show_logs(cluster):
    """Prints the end of each replica's log."""
    for number, replica in enumerate(cluster.replicas, 1):
        for line in [line for line in replica.said().splitlines() if " WARN " in line or " ERROR " in line][-5:]:
            print(f"      replica {number}: {line[:240]}", flush=True)


async def start(cluster):
    """Starts a cluster; shows the logs of its parts if it cannot be."""
    try:
        return await cluster.start()
    except AssertionError:
        for program in (cluster.etcd, *cluster.nodes, cluster.store, cluster.balancer):
            if os.path.exists(program.log_path):
                print(f"--- {program.name}\n{program.said()}", file=sys.stderr)
        raise


async def prove(arguments):
    chosen = arguments.only or [row for row in ROWS if not (arguments.short and row in LONG)]
    failed = []
    while chosen:
        with temporary() as folder:
            cluster = Cluster(arguments.program, folder, 3, FLAGS, DRAIN)
            try:
                print(f"== cluster: started in {await start(cluster):.0f} s", flush=True)
                # A row that failed may leave a cluster in which the next one fails as well.
                is_whole = True
                while chosen and is_whole:
                    name = chosen.pop(0)
                    is_whole = await run(cluster, name, arguments)
                    if not is_whole:
                        failed.append(name)
                        show_logs(cluster)
            finally:
                await cluster.stop()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


async def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--only", action="append", choices=ROWS, help="run this row only; may be repeated")
    p.add_argument("--short", action="store_true", help="run each row for a few seconds")
    p.add_argument("--control", action="store_true", help="seed an error in each row, which must be found")
    await prove(p.parse_args())


if __name__ == "__main__":
    asyncio.run(main())
