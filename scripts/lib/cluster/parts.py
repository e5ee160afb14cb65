"""The programs of a cluster on loopback: etcd, two PostgreSQL nodes under Patroni, HAProxy, and replicas of the service."""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from ports import free_port
from service import Service, kill_all, postmaster_and_children, send_signal

GUIDE = pathlib.Path("docs/guide/cluster.md")
STOP_SECONDS = 20  # after which a program that does not end is killed


def owner():
    """Returns the arguments of Popen that run a program as the database's owner: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    account = next(pwd.getpwnam(name) for name in ("postgres", "nobody") if exists(name))
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def exists(account):
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def folder_for_owner(path):
    """Makes a folder in which the database's owner may write."""
    os.makedirs(path, exist_ok=True)
    account = owner()
    if account:
        os.chown(path, account["user"], account["group"])
    return path


def psql(query, url, seconds=60):
    """Runs a query. Returns the ended process, with the rows in its output. A TimeoutExpired if it takes longer."""
    program = os.path.join(os.environ["POSTGRES_BIN"], "psql")
    return subprocess.run([program, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1",
                           "-c", query, url], capture_output=True, text=True, timeout=seconds)


class Program:
    """A program with a log file, in a process group of its own."""

    def __init__(self, name, folder, command=()):
        self.name, self.folder, self.command = name, folder_for_owner(folder), list(command)
        self.log_path, self.process = os.path.join(folder, "log"), None

    def launch(self):
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder, "LC_ALL": "C.UTF-8"}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=environment, cwd=self.folder,
                                            start_new_session=True, **owner())

    def kill(self):
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended
            self.process.wait()
            self.process = None

    def stop(self):
        """Stops it with SIGTERM. Does nothing if it does not run."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def said(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-2000:]

    def require_running(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.said()}")


class Etcd(Program):
    """The store in which Patroni's nodes agree on the primary."""

    def __init__(self, folder):
        self.port, peers = free_port(), free_port()
        address, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{peers}"
        super().__init__("etcd", folder, [
            shutil.which("etcd"), "--name", "one", "--data-dir", f"{folder}/data", "--logger", "zap",
            "--listen-client-urls", address, "--advertise-client-urls", address, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}"])


class Node(Program):
    """A PostgreSQL server under Patroni, which starts, stops and promotes it."""

    def __init__(self, name, folder, etcd_port):
        self.sql_port, self.rest_port = free_port(), free_port()
        self.data = f"{folder}/data"
        super().__init__(name, folder, [shutil.which("patroni"), f"{folder}/patroni.json"])
        bin_folder = os.environ["POSTGRES_BIN"]
        settings = {
            "scope": "rollcall", "name": name, "log": {"level": "INFO"}, "etcd3": {"hosts": f"127.0.0.1:{etcd_port}"},
            "restapi": {"listen": f"127.0.0.1:{self.rest_port}", "connect_address": f"127.0.0.1:{self.rest_port}"},
            "bootstrap": {
                "dcs": {
                    "ttl": 20, "loop_wait": 1, "retry_timeout": 5, "synchronous_mode": True,
                    "synchronous_mode_strict": False, "primary_start_timeout": 0,
                    "postgresql": {"use_pg_rewind": True, "parameters": {
                        "max_connections": 200, "wal_log_hints": "on", "hot_standby": "on"}}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "no-sync"],
                "pg_hba": ["local all all trust", "host all all 127.0.0.1/32 trust",
                           "host replication all 127.0.0.1/32 trust"]},
            "postgresql": {
                "listen": f"127.0.0.1:{self.sql_port}", "connect_address": f"127.0.0.1:{self.sql_port}",
                "data_dir": self.data, "bin_dir": bin_folder, "pgpass": f"{folder}/pgpass",
                "basebackup": [{"checkpoint": "fast"}],
                "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "replicator"}},
                "parameters": {"unix_socket_directories": folder}}}
        pathlib.Path(f"{folder}/patroni.json").write_text(json.dumps(settings, indent=1))

    def url(self, database="postgres"):
        return f"postgres://postgres@127.0.0.1:{self.sql_port}/{database}"

    def ask(self, path, body=None, method=None):
        """Returns the status and the JSON document of Patroni's interface; status 0 without an answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.rest_port}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=3) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, None
        except (OSError, ValueError):
            return 0, None

    def is_primary(self):
        return self.ask("/primary")[0] == 200

    def is_synchronous(self):
        return self.ask("/synchronous")[0] == 200

    def is_writable(self):
        """Returns True once PostgreSQL itself has been promoted, which is before Patroni says so."""
        try:
            return psql("SELECT pg_is_in_recovery()", self.url(), 5).stdout.strip() == "f"
        except subprocess.TimeoutExpired:
            return False

    def database_processes(self):
        """Returns the process ids of the postmaster and its children; none if PostgreSQL does not run."""
        try:
            return postmaster_and_children(self.data)
        except (OSError, ValueError):
            return []

    def signal_all(self, number):
        """Sends a signal to Patroni and to PostgreSQL."""
        for pid in [self.process.pid, *self.database_processes()]:
            send_signal(pid, number)

    def kill_database(self):
        kill_all(self.database_processes())

    def stop(self):
        super().stop()
        for pid in self.database_processes():
            send_signal(pid, signal.SIGKILL)  # left by a Patroni that was killed


def blocks(language):
    """Returns the guide's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def replaced(text, pairs):
    """Returns a block of the guide with the addresses of this run. Each must be there, so that none is forgotten."""
    for found, ours in pairs:
        if found not in text:
            raise AssertionError(f"the block of {GUIDE} does not have {found!r}")
        text = text.replace(found, ours)
    return text


class Balancer(Program):
    """HAProxy with a configuration of the guide."""

    def __init__(self, name, folder, configuration):
        super().__init__(name, folder, [shutil.which("haproxy"), "-db", "-f", f"{folder}/haproxy.cfg"])
        pathlib.Path(f"{folder}/haproxy.cfg").write_text(configuration)


class StoreBalancer(Balancer):
    """Forwards to the primary. Each replica has a port of its own, so that one can be cut off."""

    def __init__(self, folder, nodes, replicas):
        self.ports = [free_port() for _ in range(replicas)]
        binds = "\n".join(f"    bind 127.0.0.1:{port}" for port in self.ports)
        pairs = [("    bind 127.0.0.1:5432", binds)]
        for number, node in enumerate(nodes, 1):
            pairs.append((f"10.0.0.{number}:5432 check port 8008", f"127.0.0.1:{node.sql_port} check port {node.rest_port}"))
        super().__init__("the store's balancer", folder, replaced(blocks("haproxy")[0], pairs))


class ServiceBalancer(Balancer):
    """Forwards requests to the replicas that are ready, or to those that have a state if none is."""

    def __init__(self, folder, replicas, sticky=False):
        self.port = free_port()
        pairs = [("bind :443 ssl crt /etc/ssl/api.example.com.both.pem", f"bind 127.0.0.1:{self.port}")]
        pairs += [(f"10.0.1.{number}:8080", f"127.0.0.1:{replica.port}") for number, replica in enumerate(replicas, 1)]
        if sticky:
            pairs.append(("backend ready\n", f"backend ready\n{blocks('haproxy')[2]}"))
        super().__init__("the balancer", folder, replaced(blocks("haproxy")[1], pairs))


class Replica(Service):
    """A server of the service on the shared database."""

    def __init__(self, program, folder, url, flags=(), drain=None):
        super().__init__(program, folder, url, flags)
        self.store_port = int(url.rsplit(":", 1)[1].split("/")[0])
        # Unlike the services of other proofs these have a balancer, which has to notice their end.
        at = self.command.index("--drain-seconds")
        self.command[at:at + 2] = [] if drain is None else ["--drain-seconds", str(drain)]

    def signal(self, number):
        send_signal(self.process.pid, number)
