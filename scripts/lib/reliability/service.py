"""Runs the built service as a child process: starts, kills, stops, verifies and observes it."""
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time

from client import Client
from ports import free_port

ADMIN = "throw-away-administrator"

# Ends a proof on SIGTERM by an exception, so that it stops its service as at its normal end.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class Service:
    def __init__(self, program, folder, url=None, flags=(), log="warn"):
        os.makedirs(folder, exist_ok=True)
        self.program, self.url, self.port = program, url, free_port()
        self.data = os.path.join(folder, "data")
        self.store = ["--database-url", url] if url else ["--data-dir", self.data]
        self.command = [program, "serve", "--listen", f"127.0.0.1:{self.port}", "--admin-token", ADMIN,
                        "--drain-seconds", "0", "--log", log, *self.store, *flags]
        self.log_path = os.path.join(folder, "service.log")
        self.environment = {k: v for k, v in os.environ.items()
                            if not k.startswith("ROLLCALL_") and k != "DATABASE_URL"}
        self.process = None

    async def start(self, within=60):
        """Starts the service and waits until it is ready, some seconds at most. Returns the seconds that took."""
        began = time.monotonic()
        with open(self.log_path, "ab") as log:
            self.process = self.spawn(log)
        client = Client(self.port)
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"the service ended with {self.process.returncode}: {self.said()}")
            try:
                if (await client.ask("GET", "/readyz", timeout=2)).status == 200:
                    break
            except Exception:  # not listening yet
                pass
            if time.monotonic() > began + within:
                raise AssertionError(f"the service did not become ready: {self.said()}")
            await asyncio.sleep(0.02)
        client.close()
        return time.monotonic() - began

    def spawn(self, log):
        return subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.keep_log()

    def stop(self):
        """Stops the service with SIGTERM. Raises an AssertionError unless it ends with status 0."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        self.keep_log()
        if status != 0:
            raise AssertionError(f"the service ended with {status}: {self.said()}")

    def keep_log(self):
        """Adds the log to the output that scripts/test searches for secrets, if it runs the proof."""
        if "TEST_OUTPUT" in os.environ:
            with open(self.log_path, "rb") as log, open(os.environ["TEST_OUTPUT"], "ab") as kept:
                shutil.copyfileobj(log, kept)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def verify(self):
        """Runs `rollcall verify` on the stopped store. Returns its exit status and its lines."""
        ended = subprocess.run([self.program, "verify", *self.store], capture_output=True, text=True,
                               env=self.environment, timeout=600)
        return ended.returncode, (ended.stdout + ended.stderr).splitlines()

    def said(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-2000:]

    # --- observation ---

    def status(self, name):
        """Returns a number of /proc/PID/status. Sizes are in KiB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))

    def rss_mib(self):
        return self.status("VmRSS") / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    async def metric(self, name):
        """Returns the sum of one metric over its labels."""
        client = Client(self.port, ADMIN)
        text = (await client.ask("GET", "/metrics")).ok().body.decode()
        client.close()
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return sum(float(value) for key, value in lines if key.split("{")[0] == name)

    # --- the tables, read without the service's code ---

    def sql(self, query):
        """Runs a query and returns its rows, with every value as text."""
        if self.url:
            psql = os.path.join(os.environ["POSTGRES_BIN"], "psql")
            command = [psql, "--no-psqlrc", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "-c", query,
                       self.url]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            return [line.split("|") for line in out.splitlines() if line]
        import sqlite3
        connection = sqlite3.connect(os.path.join(self.data, "rollcall.db"))
        rows = [[str(value) for value in row] for row in connection.execute(query).fetchall()]
        connection.commit()
        connection.close()
        return rows


class Postgres:
    """The private cluster of scripts/lib/postgres.sh, which can be killed and started again."""

    def __init__(self):
        self.bin, self.home = os.environ["POSTGRES_BIN"], os.environ["POSTGRES_HOME"]
        self.data = os.path.join(self.home, "data")

    def database(self, name):
        base = os.environ["TEST_POSTGRES"]
        subprocess.run([os.path.join(self.bin, "psql"), "--no-psqlrc", "--quiet", "-c", f"create database {name}", base],
                       check=True)
        return f"{base.rsplit('/', 1)[0]}/{name}"

    def run(self, sql, url=None):
        subprocess.run([os.path.join(self.bin, "psql"), "--no-psqlrc", "--quiet", "-c", sql,
                        url or os.environ["TEST_POSTGRES"]], check=True)

    def processes(self):
        """Returns the process ids of the postmaster and its children."""
        return postmaster_and_children(self.data)

    def signal(self, number):
        for pid in self.processes():
            send_signal(pid, number)

    def kill(self):
        """Kills PostgreSQL, and waits until it has ended."""
        kill_all(self.processes())

    def start(self):
        """Starts PostgreSQL again with the same options."""
        owner = os.stat(self.data)
        more = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        # `restart` reuses the options of the last start, and without a running server only starts one. It is retried: a
        # backend that was just being forked when the others were killed holds the shared memory for a moment longer.
        command = [os.path.join(self.bin, "pg_ctl"), "restart", "--wait", "--pgdata", self.data,
                   "--log", os.path.join(self.home, "server.log")]
        until = time.monotonic() + 30
        while subprocess.run(command, cwd=self.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             **more).returncode != 0:
            if time.monotonic() > until:
                raise AssertionError("PostgreSQL does not start again")
            time.sleep(0.2)


def postmaster_and_children(data):
    """Returns the process ids of the PostgreSQL that runs on a folder. An OSError if none does."""
    with open(os.path.join(data, "postmaster.pid")) as file:
        postmaster = int(file.readline())
    found = [postmaster]
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    if int(file.read().rsplit(")", 1)[1].split()[1]) == postmaster:
                        found.append(int(entry))
            except OSError:
                pass  # the process has ended
    return found


def processor_time(pid):
    """Returns the seconds of processor time that a process and its ended children have taken."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended


def kill_all(pids):
    """Kills processes in this order: a postmaster first, so that it restarts no backend. Waits until all have ended."""
    for pid in pids:
        send_signal(pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > until:
            raise AssertionError("PostgreSQL does not end")
        time.sleep(0.01)


def is_alive(pid):
    """Returns True if the process runs, and is not a zombie that waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
