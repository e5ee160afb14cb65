"""Runs the replay tool while the service is killed with -9 in the middle of its writes, and started again.

    replay_killed.py --tools DIR --trace DIR --base-url URL --admin-token TOKEN --batch N --kills N --log FILE -- SERVE...

SERVE... is the command that starts the service. The kills are spread evenly over the run; each comes a few milliseconds
after a request with events was sent, so that it falls before, during or after that request's commit. The tool retries
such requests until they are answered. Its reads are sent once only, so they are patched here to be retried as well.
"""
import argparse, random, subprocess, sys, threading, time, urllib.request


class Service:
    """The service's process, which is killed and started again."""

    def __init__(self, command, base_url, log, kills, posts):
        self.command, self.ready_url, self.log = command, f"{base_url}/readyz", open(log, "ab")
        self.kill_at = {posts * (n + 1) // (kills + 1) for n in range(kills)}
        self.posts = self.killed = 0
        self.trouble = None
        self.start()

    def start(self):
        """Starts the service and waits until it is ready. Retries: a killed server's lock may outlive it briefly."""
        until = time.monotonic() + 60
        self.process = self.spawn()
        while time.monotonic() < until:
            if self.process.poll() is not None:
                time.sleep(0.2)
                self.process = self.spawn()
            try:
                urllib.request.urlopen(self.ready_url, timeout=2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("the service did not become ready")

    def spawn(self):
        return subprocess.Popen(self.command, stdout=self.log, stderr=self.log)

    def post_begins(self):
        self.posts += 1
        if self.posts in self.kill_at:
            threading.Timer(random.uniform(0, 0.005), self.kill_and_start).start()

    def kill_and_start(self):
        try:
            if self.process.poll() is not None:
                raise RuntimeError(f"the service had ended by itself, with status {self.process.returncode}")
            self.process.kill()
            self.process.wait()
            self.killed += 1
            self.start()
        except Exception as e:
            self.trouble = e

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)


class Patient:
    """Wraps the tool's client so that reads are retried while the service is down."""

    def __init__(self, client):
        self.call = client.patient


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tools", "trace", "base-url", "admin-token", "log"):
        p.add_argument(f"--{name}", required=True)
    p.add_argument("--batch", type=int, required=True)
    p.add_argument("--kills", type=int, required=True)
    p.add_argument("serve", nargs="+")
    a = p.parse_args()

    sys.dont_write_bytecode = True
    sys.path.insert(0, a.tools)
    import replay

    with open(f"{a.trace}/events.ndjson") as events:
        posts = sum(1 for _ in events) // a.batch
    service = Service(a.serve, a.base_url, a.log, a.kills, posts)
    ask, must = replay.ask, replay.Client.must

    def must_in_danger(client, method, path, *rest):
        if path == "/v1/events":
            service.post_begins()
        return must(client, method, path, *rest)

    replay.ask = lambda client, key, check: ask(Patient(client), key, check)
    replay.Client.must = must_in_danger
    sys.argv = ["replay.py", a.trace, "--base-url", a.base_url, "--admin-token", a.admin_token, "--batch", str(a.batch)]
    status = 1
    try:
        replay.main()
    except SystemExit as e:
        status = e.code
    finally:
        stopped = service.stop()
    print(f"killed {service.killed} times")
    if service.trouble or service.killed != a.kills or stopped != 0:
        sys.exit(f"{service.killed} of {a.kills} kills, last status {stopped}, {service.trouble or 'no other trouble'}")
    sys.exit(status)


if __name__ == "__main__":
    main()
