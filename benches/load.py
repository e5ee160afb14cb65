"""Runs wrk, the client of the measurements under load."""
import subprocess


def wrk(script, url, seconds, connections, *arguments):
    """Returns the requests, those a second, and p50 and p99 of one in ms. Fails if one failed. The script ends with report.lua."""
    ran = subprocess.run(["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout",
                          "10s", "--script", script, url, "--", *map(str, arguments)], capture_output=True, text=True, check=True)
    line = next(line for line in ran.stdout.splitlines() if line.startswith("RESULT "))
    requests, passed, p50, p99, failures = map(float, line.split()[1:])
    assert failures == 0, f"{url}: {failures:.0f} of {requests:.0f} requests failed"
    return requests, requests / passed, p50, p99
