"""Starts a cluster for people, prints its addresses and the next command, and runs until it is interrupted."""
import argparse
import asyncio
import signal
import sys

from client import Client
from service import ADMIN
from stage import Cluster, temporary
from world import event, make_tenants

USERS = 20

PAGE = """
rollcall, three servers on one PostgreSQL. All of it is on this machine, and is deleted at the end.

  balancer       http://127.0.0.1:{balancer}
  servers        {servers}
  database       postgres://rollcall@127.0.0.1:{store}/rollcall, wherever the primary is
  Patroni        http://127.0.0.1:{patroni}/cluster
  administrator  {admin}
  key            {key}

  kill a server          kill -9 {replica_pid}
  kill the primary       {kill_primary}
  logs                   {folder}

The next command shows that the servers have the same state:

  for port in {ports}; do curl -s "http://127.0.0.1:$port/v1/state?digest=true" -H "Authorization: Bearer {key}"; echo; done

Ctrl-C stops everything.
"""


async def keep(program):
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with temporary() as folder:
        cluster = Cluster(program, folder)
        try:
            starting = asyncio.create_task(cluster.start())
            waiting = asyncio.create_task(stopped.wait())
            print("== starting etcd, Patroni, PostgreSQL, HAProxy and three servers", file=sys.stderr, flush=True)
            await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
            if stopped.is_set():
                starting.cancel()
                return
            await starting
            tenant = (await make_tenants(cluster.replicas[0].port, 1, USERS))[0]
            desks = [event(f"open-{n}", "desk.connected", {"session": "desk"}, n) for n in range(1, USERS + 1)]
            (await Client(cluster.replicas[0].port, tenant.key).post(desks)).ok()
            print(page(cluster, tenant), flush=True)
            await stopped.wait()
        finally:
            print("== stopping", file=sys.stderr, flush=True)
            await cluster.stop()


def page(cluster, tenant):
    ports = [replica.port for replica in cluster.replicas]
    primary = cluster.primary()
    return PAGE.format(
        balancer=cluster.balancer.port, servers=", ".join(f"http://127.0.0.1:{port}" for port in ports),
        store=cluster.store.ports[0], patroni=cluster.nodes[0].rest_port, admin=ADMIN, key=tenant.key,
        replica_pid=cluster.replicas[0].process.pid, kill_primary=f"kill -9 $(head -n 1 {primary.data}/postmaster.pid)",
        folder=cluster.folder, ports=" ".join(map(str, ports)))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    asyncio.run(keep(p.parse_args().program))


if __name__ == "__main__":
    main()
