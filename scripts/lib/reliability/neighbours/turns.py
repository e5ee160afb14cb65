"""Runs one row in turns (calm, under attack, beside a sink) and collects the findings."""
import asyncio
import os
import signal
import time

from neighbours.others import CLASSES, PATIENCE, Seen, p99
from neighbours.row import SET_UP_MOST
from neighbours.sink import Sink
from neighbours.stage import QUIET_MOST

SORTS = ("calm", "sink", "attack")
PAUSED = PATIENCE + 1  # seconds for which the control of a row without a budget stops the service


class Turns:
    def __init__(self, stage, row, attacker, options):
        # If latency is not judged, one calm turn for all rows of a service is enough.
        self.has_calm = options.judged or not stage.crowds
        self.stage, self.row, self.attacker, self.options = stage, row, attacker, options
        self.notes = {}  # further figures, by name
        self.rounds, self.findings = [], []
        self.before_mib = self.peak_mib = self.descriptors = self.count = 0
        self.attacked, self.received, self.answers = 0.0, 0, {}

    async def run(self):
        await self.row.prepare(self.stage)
        if self.row.log_ins:
            await self.stage.others.give_passwords()
        await self.stage.quiet()
        self.before_mib = self.stage.service.rss_mib()
        for _ in range(self.options.rounds):
            now = {sort: Seen() for sort in SORTS}
            if self.has_calm:
                ends = time.monotonic() + self.options.seconds * (1 if self.options.judged else 0.5)
                await self.others(now["calm"], lambda: time.monotonic() > ends)
            await self.attack(now["attack"])
            if not self.stage.service.is_running():
                self.findings.append(f"the service ended: {self.stage.service.said()[-300:]}")
                return
            is_quiet = await self.stage.quiet()
            if self.options.judged:
                self.findings += [] if is_quiet else [f"the others are still slow {QUIET_MOST:.0f} s after the attack"]
                await self.beside_sink(now["sink"])
            self.rounds.append(now)
        self.findings += await self.row.judge(self.stage, self)

    async def others(self, seen, until):
        await self.stage.others.behave(seen, until, self.row)

    async def attack(self, seen):
        service = self.stage.service
        service.forget_peak()
        pausing = asyncio.create_task(self.pause()) if self.options.pauses else None
        count, took, received, answers, odd = await self.turn(seen, service.port, None)
        if pausing:
            await pausing
        if service.is_running():
            self.peak_mib = max(self.peak_mib, service.peak_mib())
        self.count, self.attacked, self.received = self.count + count, self.attacked + took, self.received + received
        self.answers = {kind: self.answers.get(kind, 0) + answers.get(kind, 0) for kind in {*self.answers, *answers}}
        self.findings += odd

    async def turn(self, seen, port, rate):
        """Runs the others beside the attacker for at least a turn, of which the attack must run for at least a half."""
        self.attacker.begin(self.row, port, rate is not None, rate)
        began, ready = time.monotonic(), None  # `ready` is the time at which the attack was running
        most = min(SET_UP_MOST, 10 * self.options.seconds)

        def is_over():
            nonlocal ready
            now = time.monotonic()
            if ready is None and self.attacker.is_ready():
                ready = now
            is_old = ready is not None and now > ready + self.options.seconds / 2
            return now > began + self.options.seconds and (is_old or now > began + most)

        await self.others(seen, is_over)
        if rate is None and self.stage.service.is_running():
            self.descriptors = max(self.descriptors, self.stage.service.descriptors())
        return await self.attacker.end(ready is not None)

    async def beside_sink(self, seen):
        sink = Sink(self.received // max(1, sum(self.answers.values())))
        try:
            await self.turn(seen, sink.port, max(0.1, self.count / self.attacked))
        finally:
            sink.close()

    async def pause(self):
        """Stops the service for a while, as the control of rows without a budget."""
        await asyncio.sleep(self.options.seconds / 4)
        os.kill(self.stage.service.process.pid, signal.SIGSTOP)
        await asyncio.sleep(PAUSED)
        os.kill(self.stage.service.process.pid, signal.SIGCONT)

    # --- results ---

    def pooled(self, sort, name):
        return sorted(time for now in self.rounds for time in now[sort].pooled(name))

    def ratio(self, name, to):
        under, calm = self.pooled("attack", name), self.pooled(to, name)
        return p99(under) / p99(calm) if under and calm else None

    def judge(self):
        """Completes the findings, including latency if it is judged."""
        for now in self.rounds:
            self.findings += now["attack"].findings()
            # Failures in a calm turn are caused by the attack before it.
            self.findings += [f"in the calm: {what}" for what in now["calm"].findings()]
        for name in CLASSES:
            ratio = self.ratio(name, "sink") if self.options.judged else None
            if ratio is not None and ratio > self.options.ratio:
                self.findings.append(f"{name}: p99 is {ratio:.2f} times that beside a sink")
        bound = self.before_mib + min(self.options.memory_mib, self.row.most_mib) + self.row.kept_mib * self.row.scale
        if self.peak_mib > bound:
            grown = f"memory grew from {self.before_mib:.0f} to {self.peak_mib:.0f} MiB"
            self.findings.append(f"{grown}, more than to {bound:.0f}")
        return self.findings

    def figures(self):
        by_sort = {sort: [now[sort].figures() for now in self.rounds] for sort in SORTS}
        ratios = {name: {to: self.ratio(name, to) for to in ("calm", "sink")} for name in CLASSES}
        row = self.row
        return {"row": row.name, "title": row.title, "credential": row.credential, "budget": row.budget,
                "scale": row.scale, "ratios": ratios, "rounds": by_sort, "before_mib": round(self.before_mib, 1),
                "peak_mib": round(self.peak_mib, 1), "descriptors": self.descriptors, "attacks": self.count,
                "attacked_seconds": round(self.attacked, 2), "received_bytes": self.received,
                "answers": {str(kind): count for kind, count in self.answers.items()}, "notes": self.notes,
                "findings": self.findings}

    def line(self):
        """Returns the row's line of the table."""
        cells = []
        for name in CLASSES:
            calm, sink, under = (self.pooled(sort, name) for sort in SORTS)
            ratio = self.ratio(name, "sink" if sink else "calm")
            figures = " ".join(f"{p99(times):.1f}" if times else "-" for times in (calm, sink, under))
            if under or calm:
                cells.append(f"{name} {figures}" + (f" ({ratio:.2f})" if ratio else ""))
        refused = sum(sum(now["attack"].refused.values()) for now in self.rounds)
        late = sum(sum(now["attack"].late.values()) for now in self.rounds)
        return (f"   {self.row.name:21} {'; '.join(cells)}; refused {refused}, late {late}; "
                f"{self.before_mib:.0f} to {self.peak_mib:.0f} MiB; {self.count} attacks "
                f"{dict(sorted(self.answers.items(), key=str))}{self.notes or ''}")
