"""Attacks the service and checks that other tenants can still use it (docs/promises.md W5).

Each row is one attack. In turns without it, under it and beside a sink, another tenant reads and writes in every
dialect, and the probes are requested. None of these may be rejected or late, and the p99 and the memory must stay
within their bounds. In the end, nothing acknowledged may be lost.
"""
import argparse
import asyncio
import itertools
import json
import os
import resource
import sys
import tempfile

from neighbours import answers, bodies, desks, documents, engine, housekeeping, keeps, log_ins, logs, reads, sockets
from neighbours.row import Attacker
from neighbours.stage import NeighbourService, Stage
from neighbours.turns import Turns
from service import Postgres

FAMILIES = (documents, bodies, answers, sockets, engine, keeps, desks, reads, housekeeping, log_ins, logs)
ROWS = {row.name: row for family in FAMILIES for row in family.ROWS}


async def play(options, rows, place):
    """Runs rows on one service, with an audit at the end. Returns their turns."""
    folder, url = place
    flags = [*rows[0].flags(), f"--memory-budget={options.memory_mib}", *options.service_flag]
    if options.control and rows[0].budget:
        flags += ["--without-budget", rows[0].budget]
    service, attacker, played = NeighbourService(options.program, folder, url, flags, rows[0]), Attacker(), []
    stage = Stage(service, url, options.control)
    try:
        await stage.open()
        for row in rows:
            played.append(Turns(stage, row, attacker, options))
            await played[-1].run()
            played[-1].judge()
            print(played[-1].line(), flush=True)
            if not service.is_running():
                return played
        played[-1].findings += (await stage.audit())[:5]
    except Exception as error:  # an error of the proof itself is a finding as well
        played = played or [Turns(stage, rows[0], attacker, options)]
        played[-1].findings.append(f"{type(error).__name__}: {error}")
    finally:
        attacker.close()
        service.kill()
    return played


def together(rows, is_short):
    """Groups rows that share a service: in the short form those of the same settings, otherwise none."""
    if not is_short:
        return [[row] for row in rows]
    def settings(row):
        return repr((row.flags(), row.descriptors, row.deaf, row.log))
    return [list(some) for _, some in itertools.groupby(sorted(rows, key=settings), key=settings)]


def report(options, played):
    failed = []
    print(f"== found in {len(played)} rows", flush=True)
    for turns in played:
        if options.control:
            verdict = "found" if turns.findings else "NOT FOUND"
            other = "without limits" if turns.row.has_own_control else "paused"
            removed = f"without {turns.row.budget}" if turns.row.budget else other
            print(f"   control {turns.row.name} ({removed}): {verdict} {'; '.join(turns.findings[:2])[:300]}")
            failed += [] if turns.findings else [f"the control of {turns.row.name} passed"]
        else:
            print(f"   {turns.row.name:21} {'holds' if not turns.findings else '; '.join(turns.findings[:4])[:500]}")
            failed += [f"{turns.row.name}: {finding}" for finding in turns.findings]
    if options.json:
        with open(options.json, "w") as file:
            json.dump([turns.figures() for turns in played], file, indent=1)
    return failed


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--only", choices=sorted(ROWS), action="append", help="run this row only; may be repeated")
    p.add_argument("--seconds", type=float, default=4, help="the least duration of a turn")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--scale", type=float, default=1.0, help="factor for all numbers of users, sockets, events and values")
    p.add_argument("--latency", choices=("judge", "report"), default="judge",
                   help="report: no turns beside a sink, one service for many rows, no findings about p99s")
    p.add_argument("--ratio", type=float, default=1.5, help="the most a p99 may be under attack, as a multiple of the one beside a sink")
    p.add_argument("--memory-mib", type=int, default=512,
                   help="the service's memory budget: the most growth beyond what its tenants keep")
    p.add_argument("--service-flag", action="append", default=[], help="an additional flag of the service, as =--name=value")
    p.add_argument("--store", choices=("embedded", "postgres"), default="embedded")
    p.add_argument("--control", action="store_true", help="run each row once without its budget, which must be found")
    p.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    return p.parse_args()


async def main():
    options = arguments()
    options.rounds = 1 if options.control else options.rounds
    options.judged = options.control or options.latency == "judge"
    rows = [ROWS[name](options.scale) for name in options.only or ROWS]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    print(f"== neighbours: {len(rows)} rows, {options.store}, scale {options.scale:g}, {limit} descriptors", flush=True)
    print("   p99 in ms: calm, beside a sink, under attack (ratio)", flush=True)
    played = []
    with tempfile.TemporaryDirectory(prefix="rollcall-neighbours.") as folder:
        for n, some in enumerate(together(rows, not options.judged)):
            url = Postgres().database(f"neighbours_{n}") if options.store == "postgres" else None
            options.pauses = options.control and some[0].budget is None and not some[0].has_own_control
            played += await play(options, some, (os.path.join(folder, str(n)), url))
    if failed := report(options, played):
        sys.exit("\n".join(failed[:30]))


if __name__ == "__main__":
    asyncio.run(main())
