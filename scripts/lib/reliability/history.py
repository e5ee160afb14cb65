"""Checks what clients saw against what one ordered history allows (docs/promises.md W1, R2).

An operation is a client's request with the times at which it was sent and answered, and the answer. However requests
overlap:

* a client's positions never go back, and no answer has an older position than any answer, to any client, that was given
  before its request was sent: the tenant behaves as one memory, read in real time;
* a write that was acknowledged before a request was sent is in the answer to it: its position and its content;
* an answer shows only what was sent.
"""
import bisect
import collections
import itertools

# kind: "write", "rewrite" (a write that was sent again until it was answered) or "read"; asked, answered: times;
# position: of the answer; slot: the written user, or None; number: the written number; shown: a read's numbers by user.
Operation = collections.namedtuple("Operation", "client kind asked answered position slot number shown")


def check(operations):
    """Returns the violations in a history."""
    return [*forward(operations), *own_order(operations), *writes_show(operations)]


def forward(operations):
    """Checks that no answer has an older position than an answer that was given before its request was sent."""
    findings, newest, answered = [], 0, sorted(operations, key=lambda o: o.answered)
    at = 0
    for operation in sorted(operations, key=lambda o: o.asked):
        while at < len(answered) and answered[at].answered < operation.asked:
            newest = max(newest, answered[at].position)
            at += 1
        if operation.position < newest:
            findings.append(f"{operation.client} was answered at {operation.position}, after another client at {newest}")
        if operation.kind == "write" and operation.position == newest > 0:
            findings.append(f"{operation.client} wrote at {operation.position}, which was in an earlier answer")
    return findings


def own_order(operations):
    """Checks that the positions of each client never go back."""
    findings, last = [], {}
    for operation in sorted(operations, key=lambda o: o.answered):
        if operation.position < last.get(operation.client, 0):
            findings.append(f"{operation.client} went back from {last[operation.client]} to {operation.position}")
        last[operation.client] = operation.position
    return findings


def writes_show(operations):
    """Checks that reads show acknowledged writes: of every user the newest one before the read was sent, or a later one.

    A user's numbers are written by one client, in ascending order.
    """
    findings, written = [], collections.defaultdict(list)
    for operation in operations:
        if operation.kind != "read":
            written[operation.slot].append(operation)
    reads = [operation for operation in operations if operation.kind == "read"]
    for slot, writes in written.items():
        acknowledged, sent, placed = (newest(writes, key) for key in ("answered", "asked", "position"))
        for read in reads:
            shown = read.shown.get(slot, 0)
            least, most, behind = acknowledged(read.asked), sent(read.answered), placed(read.position + 1)
            if shown < least:
                findings.append(f"{read.client} was shown {shown} of user {slot}, after {least} was acknowledged")
            if shown > most:
                findings.append(f"{read.client} was shown {shown} of user {slot}, and only {most} had been sent")
            # An answer at or beyond a write's position includes the write, acknowledged or not.
            if shown < behind:
                findings.append(f"{read.client} at {read.position} was shown {shown} of user {slot}, without {behind}")
    return findings


def newest(writes, key):
    """Returns a function of a value: the greatest number among the writes with a `key` below it."""
    ordered = sorted((getattr(write, key), write.number) for write in writes)
    keys, numbers = [value for value, _ in ordered], list(itertools.accumulate((n for _, n in ordered), max))

    def below(value):
        at = bisect.bisect_left(keys, value)
        return numbers[at - 1] if at else 0
    return below


def self_test():
    """Checks hand-written histories: a correct one, and one of each kind of violation. Returns the number of kinds."""
    def write(client, asked, answered, position, number, kind="write"):
        return Operation(client, kind, asked, answered, position, 1, number, None)

    def read(client, asked, answered, position, number):
        return Operation(client, "read", asked, answered, position, None, None, {1: number})

    good = [write("a", 0, 2, 1, 1), read("b", 1, 3, 1, 1), read("c", 1, 3, 0, 0), write("a", 4, 6, 2, 2), read("b", 5, 7, 2, 2)]
    bad = {
        "a client goes back": ([read("b", 0, 3, 5, 0), read("b", 2, 4, 4, 0)], "went back"),
        "another client goes back": ([read("b", 0, 1, 5, 0), read("c", 2, 3, 4, 0)], "after another client at"),
        "a write that is not shown": ([write("a", 0, 1, 1, 1), read("b", 2, 3, 1, 0)], "was acknowledged"),
        "a write that was not sent": ([read("b", 0, 1, 1, 1), write("a", 2, 3, 2, 1)], "only 0 had been sent"),
        "a position that is given twice": ([write("a", 0, 1, 1, 1), write("a", 2, 3, 1, 2)], "was in an earlier answer"),
        "a position without its write": ([write("a", 0, 9, 5, 1), read("b", 1, 2, 6, 0)], "without 1"),
    }
    if check(good):
        raise AssertionError(f"the checker finds something in a good history: {check(good)}")
    for name, (operations, words) in bad.items():
        if not any(words in finding for finding in check(operations)):
            raise AssertionError(f"the checker misses {name}: {check(operations)}")
    return len(bad)
