"""Runs the clients against a running service: each with a tenant of its own, and once more as a control, with a tenant
in which every number that the client expects is another one. The control has to fail, by a check of the client.

    run.py BASE_URL ADMIN_TOKEN [CLIENT...]

The working folder has the built clients, `node_modules` and the Python environment. Clients run in parallel. Ends with
'N passed, M failed', and fails if M is not 0.
"""
import concurrent.futures
import os
import subprocess
import sys
import time

import tenants

# Seconds after which a client is killed; most take one, the longest ten.
LIMIT = 120
NODE, PYTHON, PHP = ("node",), (sys.executable,), ("php", "-d", "assert.exception=1", "-d", "error_reporting=-1")
# In the order in which they are started: the longest are first.
CLIENTS = {
    "openapi: Postman": (*NODE, "postman/collection.mjs"),
    "openapi: openapi-typescript": (*NODE, "built/openapi_typescript/client.js"),
    "openapi: openapi-generator, typescript-fetch": (*NODE, "built/openapi_generator/with_fetch.js"),
    "openapi: openapi-generator, typescript-axios": (*NODE, "built/openapi_generator/with_axios.js"),
    "openapi: openapi-generator, python": (*PYTHON, "openapi_generator/client.py"),
    "openapi: orval": (*NODE, "built/orval/client.js"),
    "php: the vendor's client": (*PHP, "php/vendor.php"),
    "php: curl and streams": (*PHP, "php/forms.php"),
    "convoso: convoso-js": (*NODE, "built/convoso/convoso_js.js"),
    "convoso: convoso-sdk": (*NODE, "built/convoso/convoso_sdk.js"),
    "convoso: axios": (*NODE, "built/convoso/axios.js"),
    "convoso: requests": (*PYTHON, "convoso/with_requests.py"),
    "cloudevents: JavaScript": (*NODE, "built/cloudevents/sdk.js"),
    "cloudevents: Python": (*PYTHON, "cloudevents/sdk.py"),
    "graphql: gql": (*PYTHON, "gql/contacts.py"),
    "graphql: Apollo": (*NODE, "built/apollo/contacts.js"),
    "graphql: Apollo, persisted queries": (*NODE, "built/apollo/persisted.js"),
    "graphql: urql": (*NODE, "built/urql/client.js"),
    "graphql: graphql-request": (*NODE, "built/graphql_request/client.js"),
    "graphql: graphql-ws": (*NODE, "built/graphql_ws/client.js"),
    "graphql: graphql-sse": (*NODE, "built/graphql_sse/client.js"),
    "graphql: Apollo, subscriptions": (*NODE, "built/apollo/live.js"),
    "graphql: urql, subscriptions": (*NODE, "built/urql/live.js"),
    "live: EventSource": (*NODE, "built/event_source/live.js"),
    "graphql: Relay": (*NODE, "built/relay/client.js"),
}


def run(base, admin, name, is_control):
    """Runs one client, and returns what is wrong with the run: None if it passed, or if a control failed as it must."""
    tenant = tenants.make(base, admin, f"{name}, control" if is_control else name, is_control)
    environment = {**os.environ, "SERVICE_URL": base, "SERVICE_KEY": tenant.key, "SERVICE_KEY_ID": tenant.key_id,
                   "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(CLIENTS[name], env=environment, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"is not done after {LIMIT} s"
    output = ended.stdout + ended.stderr
    if is_control:
        # A client that ends for another reason, such as a module that is missing, proves nothing.
        is_caught = ended.returncode != 0 and "AssertionError" in output
        return None if is_caught else f"the control ended with status {ended.returncode}:\n{output}"
    return None if ended.returncode == 0 else f"status {ended.returncode}:\n{output}"


def fault_of(*arguments):
    """Returns what `run` returns, and a failure to make the tenant as a fault as well."""
    try:
        return run(*arguments)
    except (AssertionError, OSError) as reason:
        return f"the tenant was not made: {reason}"


def both(base, admin, name):
    """Runs one client and its control. Prints the verdict and returns whether both are as they must be."""
    started = time.monotonic()
    faults = [fault for fault in (fault_of(base, admin, name, False), fault_of(base, admin, name, True)) if fault]
    seconds = time.monotonic() - started
    print(f"{'FAILED' if faults else 'passed'}  {seconds:4.1f} s  {name}", *faults, sep="\n", flush=True)
    return not faults


def main():
    base, admin, *wanted = sys.argv[1:]
    names = [name for name in CLIENTS if not wanted or any(word in name for word in wanted)]
    assert names, f"no client is called {wanted}"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(lambda name: both(base, admin, name), names))
    print(f"{sum(verdicts)} passed, {len(verdicts) - sum(verdicts)} failed")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
