"""A whole cluster on loopback, and the faults that a network can have."""
import asyncio
import os
import subprocess
import tempfile
import time
import urllib.request

from client import Client
from parts import Etcd, Node, Replica, ServiceBalancer, StoreBalancer, psql
from service import ADMIN

START_SECONDS = 90
DATABASE = "rollcall"


class Cluster:
    """etcd, two PostgreSQL nodes of which the standby is synchronous, balancers, and replicas of the service."""

    def __init__(self, program, folder, replicas=3, flags=(), drain=None):
        os.chmod(folder, 0o755)  # the database's owner works below it
        self.program, self.folder, self.flags, self.drain = os.path.abspath(program), folder, list(flags), drain
        self.etcd = Etcd(f"{folder}/etcd")
        self.nodes = [Node(f"node{n}", f"{folder}/node{n}", self.etcd.port) for n in (1, 2)]
        self.store = StoreBalancer(f"{folder}/store-balancer", self.nodes, replicas)
        self.replicas = [self.replica(n, port) for n, port in enumerate(self.store.ports, 1)]
        self.balancer = ServiceBalancer(f"{folder}/balancer", self.replicas)

    def replica(self, number, store_port):
        url = f"postgres://rollcall@127.0.0.1:{store_port}/{DATABASE}"
        return Replica(self.program, f"{self.folder}/replica{number}", url, self.flags, self.drain)

    async def start(self):
        """Starts everything. Returns the seconds that took."""
        began = time.monotonic()
        self.etcd.launch()
        for node in self.nodes:
            node.launch()
        self.store.launch()
        await self.wait_for_standby(START_SECONDS)
        # Not a superuser, whose sessions would take the places that PostgreSQL keeps for Patroni.
        await asyncio.to_thread(self.sql, "CREATE ROLE rollcall LOGIN", "postgres")
        await asyncio.to_thread(self.sql, f"CREATE DATABASE {DATABASE} OWNER rollcall", "postgres")
        await self.wait_for("a way to the primary", self.reaches_primary, 20)
        # The first makes the tables.
        await self.replicas[0].start()
        await asyncio.gather(*(replica.start() for replica in self.replicas[1:]))
        self.balancer.launch()
        await self.wait_for("the balancer", self.is_balanced, 20)
        return time.monotonic() - began

    async def stop(self):
        """Stops everything, whatever state it is in."""
        for replica in self.replicas:
            replica.kill()
        for program in (self.balancer, self.store):
            program.kill()
        await asyncio.gather(*(asyncio.to_thread(node.stop) for node in self.nodes))
        self.etcd.kill()

    async def wait_for(self, what, check, seconds):
        """Waits until a function, which may take a moment, returns a true value. Returns that value."""
        until = time.monotonic() + seconds
        while not (found := await asyncio.to_thread(check)):
            if time.monotonic() > until:
                raise AssertionError(f"{what} is not there after {seconds} s")
            for program in (self.etcd, *self.nodes, self.store):
                program.require_running()
            await asyncio.sleep(0.1)
        return found

    async def wait_for_standby(self, seconds=120):
        """Waits until one node is the primary and the other its synchronous standby."""
        await self.wait_for("a primary with a synchronous standby", lambda: self.primary() and self.standby(), seconds)

    def primary(self):
        return next((node for node in self.nodes if node.is_primary()), None)

    def standby(self):
        return next((node for node in self.nodes if node.is_synchronous()), None)

    def reaches_primary(self):
        return psql("SELECT 1", f"postgres://rollcall@127.0.0.1:{self.store.ports[0]}/{DATABASE}").returncode == 0

    def is_balanced(self):
        """Returns True if the balancer passes requests on. The first checks take a moment."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.balancer.port}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def sql(self, query, database=DATABASE):
        """Runs a query on the primary itself, without a balancer, and returns its output."""
        done = psql(query, self.primary().url(database))
        if done.returncode != 0:
            raise AssertionError(f"{query}: {done.stderr}")
        return done.stdout

    async def digests(self, tenant):
        """Returns each replica's position and digest of a tenant's state, all at one position if they can be."""
        until = time.monotonic() + 20
        while True:
            found = []
            for replica in self.replicas:
                client = Client(replica.port, tenant.key)
                answer = (await client.patient("GET", "/v1/state?digest=true", seconds=20)).ok().json()
                client.close()
                found.append((answer["position"], answer["digest"]))
            if len({position for position, _ in found}) == 1 or time.monotonic() > until:
                return found
            await asyncio.sleep(0.1)

    async def ready(self):
        """Waits until every replica is ready."""
        for replica in self.replicas:
            client = Client(replica.port, ADMIN)
            until = time.monotonic() + 30
            while True:
                try:
                    if (await client.ask("GET", "/readyz", timeout=2)).status == 200:
                        break
                except Exception:  # it does not listen yet
                    pass
                if time.monotonic() > until:
                    raise AssertionError(f"a replica is not ready: {replica.said()[-800:]}")
                await asyncio.sleep(0.05)
            client.close()


class Network:
    """Drops packets to and from ports of this network namespace, as a network that is lost does: no connection ends."""

    TABLE = "inet rollcall_cluster"

    @staticmethod
    def is_ours():
        """Returns True in the network namespace that scripts/cluster makes, where rules concern nothing else."""
        return os.environ.get("CLUSTER_NETWORK") == "own"

    def nft(self, *rules):
        subprocess.run(["nft", "-f", "-"], input="\n".join(rules), text=True, check=True)

    def drop(self, *ports, pairs=()):
        """Drops all packets of these ports, and those between each pair of ports."""
        rules = [f"tcp {side} {port} drop" for port in ports for side in ("dport", "sport")]
        rules += [f"tcp sport {one} tcp dport {other} drop" for a, b in pairs for one, other in ((a, b), (b, a))]
        self.nft(f"add table {self.TABLE}", f"flush table {self.TABLE}",
                 f"add chain {self.TABLE} out {{ type filter hook output priority 0; }}",
                 *(f"add rule {self.TABLE} out {rule}" for rule in rules))

    def restore(self):
        self.nft(f"add table {self.TABLE}", f"delete table {self.TABLE}")


def temporary():
    return tempfile.TemporaryDirectory(prefix="rollcall-cluster.", ignore_cleanup_errors=True)
