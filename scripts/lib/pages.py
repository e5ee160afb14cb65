"""Runs the shell blocks of the pages as a reader would paste them, and checks the syntax of all others (scripts/pages).

A block is a fence whose first word is `sh`; the rest of its line says what is done with it:

    sh            runs in the page's one shell, after the blocks before it; a failing command fails the page
    sh service    starts the service and waits until it is ready; the one that the page started before is stopped
    sh no-run     is checked for syntax only, as is every block of a page that is neither README.md nor a guide

A fence `json` or `text` right after a block that runs is what the block prints, line by line; `…` stands for any text.
A page that begins where another one ends says so in a comment, `<!-- continues: PAGE -->`: that page's blocks run
before its own.

A page that continues none is pasted a second time, on the same store and in the same shell. What it prints then must have
the shape of the first time: a message in place of an answer has another one. After each block no variable that it sets
may be empty, and nothing may be on standard error.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from ports import free_port

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# fish reads a script to its end before it runs it, so that lines are given to it one by one.
FISH_LOOP = "while read --local line; eval $line; end"
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-s"], "zsh": ["zsh", "-f", "-s"],
          "fish": ["fish", "--no-config", "-c", FISH_LOOP]}
# fish has no `set -e`: the status of each command is checked behind it.
FISH_CHECK = "set codes $status $pipestatus; for code in $codes; test $code -eq 0; or exit 1; end\n"
SETS = re.compile(r"(?:^|(?<=\s))([A-Z_]+)=")
USES = re.compile(r"\$\{?([A-Z_]+)")
QUOTED = re.compile(r"'[^']*'")
FENCE = re.compile(r"^( *)```+(.*)$")
CONTINUES = re.compile(r"^<!-- continues: (\S+) -->$", re.MULTILINE)
ADDRESS = "127.0.0.1:8080"
BLOCK_SECONDS = 60
READY_SECONDS = 60
STOP_SECONDS = 30
SETTLE_SECONDS = 0.2
ANYTHING = "…"
# Pages that must be found to be wrong, or the check of all others would prove nothing.
CONTROLS = {
    "another output than shown": "```sh\necho one\n```\n\n```text\ntwo\n```\n",
    "a line too many": "```sh\necho one\necho two\n```\n\n```text\none\n```\n",
    "a command that fails": "```sh\nfalse\n```\n",
    "a pipeline that fails": "```sh\nfalse | cat\n```\n",
    "an empty value": "```sh\nexport VALUE=\"$(false)\"\n```\n",
    "a complaint": "```sh\necho no >&2\n```\n",
    "a silent failure when pasted twice": "```sh\nexport VALUE=\"$(mkdir once 2>/dev/null && echo made)\"\n```\n",
    "another answer when pasted twice":
        "```sh\nmkdir once 2>/dev/null && echo '{\"id\":1}' || echo '{\"error\":1}'\n```\n\n```json\n{\"id\":1}\n```\n",
    "a variable that is not set": "```sh\necho $NO_SUCH_VARIABLE\n```\n",
    "a process that is left behind": "```sh\nsleep 60 &\n```\n",
    "a service that does not start": "```sh service\ncargo run --release -- serve --queue 0\n```\n",
    "syntax": "```sh no-run\nif true; then\n```\n",
    "an unknown mark": "```sh later\ntrue\n```\n",
}
FOLDERS = (".github", "benches", "docs", "migrations", "scripts", "tests")


class Failure(Exception):
    """A page that does not do what it says."""


class Block:
    def __init__(self, page, line, mark, text):
        self.page, self.line, self.mark, self.text = page, line, mark, text
        self.expected = None

    def __str__(self):
        return f"{name_of(self.page)}:{self.line}"


def name_of(page):
    """The page's path within the repository, for messages."""
    return os.path.relpath(page, ROOT)


def fences(page):
    """Every fenced block of a page: its line, the words after the fence, its text without the fence's indentation."""
    found, inside = [], None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if inside is None and fence:
            inside = (number, len(fence[1]), fence[2].split(), [])
        elif inside is not None and fence and not fence[2].strip():
            found.append((inside[0], inside[2], "\n".join(inside[3]) + "\n"))
            inside = None
        elif inside is not None:
            inside[3].append(line[inside[1]:] if not line[:inside[1]].strip() else line)
    if inside is not None:
        raise Failure(f"{name_of(page)}:{inside[0]}: the block has no end")
    return found


def blocks(page):
    """The shell blocks of a page, each with the output that the page shows for it."""
    found, before = [], None
    for line, words, text in fences(page):
        kind, mark = (words or [""])[0], " ".join(words[1:])
        block = None
        if kind == "sh":
            if mark not in ("", "service", "no-run"):
                raise Failure(f"{name_of(page)}:{line}: unknown mark {mark!r}")
            block = Block(page, line, mark, text)
            found.append(block)
        elif kind in ("json", "text") and before is not None and before.mark == "":
            before.expected = text.splitlines()
        before = block
    return found


def chain(page):
    """The pages that run in one session: those that this one continues, and the page itself."""
    continued = CONTINUES.search(page.read_text(encoding="utf-8"))
    if not continued:
        return [page]
    first = page.parent / continued[1]
    if not first.is_file():
        raise Failure(f"{name_of(page)} continues {continued[1]}, which is not there")
    return [*chain(first), page]


def check_syntax(shells, pages):
    """Has every shell parse every block without running it; the number of blocks."""
    checked = 0
    for page in pages:
        for block in blocks(page):
            if page.is_relative_to(ROOT) and not is_run(page) and block.mark != "no-run":
                raise Failure(f"{block}: blocks of this page do not run: mark it ```sh no-run")
            # fish reads what people paste, which is not what the pages for developers show.
            for shell in shells if is_run(page) or not page.is_relative_to(ROOT) else set(shells) - {"fish"}:
                parsed = subprocess.run([shell, "-n"], input=block.text, text=True, capture_output=True, check=False)
                if parsed.returncode != 0 or parsed.stderr:
                    raise Failure(f"{block}: {shell} cannot read it: {parsed.stderr.strip()}")
            checked += 1
    return checked


def is_run(page):
    return page == ROOT / "README.md" or page.parent == ROOT / "docs" / "guide"


def sets(text):
    """The variables that a block sets: names before `=` outside of quotes."""
    return sorted(set(SETS.findall(QUOTED.sub("''", text))))


def statements(text):
    """The commands of a block, as fish divides it."""
    found, part = [], ""
    for line in text.splitlines(keepends=True):
        part += line
        parsed = subprocess.run(["fish", "--no-config", "-n"], input=part, text=True, capture_output=True, check=False)
        if parsed.returncode == 0 and not part.endswith("\\\n"):
            found.append(part)
            part = ""
    return found + [part] if part else found


def script(shell, text):
    """The block as a script that fails where a reader would have to notice something."""
    if shell != "fish":
        return text + "".join(f': "${{{name}:?is empty}}"\n' for name in sets(text))
    lines = []
    for statement in statements(text):
        used = USES.findall(QUOTED.sub("''", statement))
        lines += [f"set -q {name}; or exit 1\n" for name in used if name not in sets(statement)]
        lines += [statement, FISH_CHECK]
    return "".join(lines) + "".join(f'test -n "${name}"; or exit 1\n' for name in sets(text))


def is_first(page):
    """Whether a page continues no other, so that a reader may come to it, and paste it, more than once."""
    return len(chain(page)) == 1


class Session:
    """One page in one shell: a folder, a port, and at most one service at a time."""

    def __init__(self, shell, program, folder):
        self.name, self.folder, self.port, self.service, self.ran = shell, folder, free_port(), None, 0
        programs, work = folder / "programs", folder / "work"
        programs.mkdir()
        (work / "target" / "release").mkdir(parents=True)
        # `cargo run --release --` and `rollcall` are both the program under test.
        run = f"ROLLCALL_LISTEN=127.0.0.1:{self.port} exec '{program}' \"$@\"\n"
        cargo = f"[ \"$1 $2 $3\" = 'run --release --' ] || {{ echo \"no cargo $*\" >&2; exit 2; }}\nshift 3\n{run}"
        built = work / "target" / "release" / "rollcall"
        for path, text in ((programs / "rollcall", run), (built, run), (programs / "cargo", cargo)):
            path.write_text(f"#!/bin/sh\n{text}")
            path.chmod(0o755)
        kept = {name: os.environ[name] for name in ("LANG", "TZ") if name in os.environ}
        path = f"{programs}:{os.environ['PATH']}"
        # Each process leads a group of its own, so that what it leaves behind can be found and ended.
        self.settings = {"cwd": work, "env": {**kept, "PATH": path, "HOME": str(folder), "TMPDIR": str(folder)},
                         "start_new_session": True}
        pipe = subprocess.PIPE
        self.shell = subprocess.Popen(SHELLS[shell], stdin=pipe, stdout=pipe, stderr=pipe, text=True, **self.settings)
        if shell != "fish":
            self.say("set -eu -o pipefail")

    def say(self, line):
        try:
            self.shell.stdin.write(line + "\n")
            self.shell.stdin.flush()
        except BrokenPipeError:
            pass  # the shell has ended, which shows when its answer is read

    def text(self, block):
        """The block with this session's address in place of the usual one."""
        return block.text.replace(ADDRESS, f"127.0.0.1:{self.port}")

    def run(self, block):
        self.ran += 1
        if block.mark == "service":
            self.serve(block)
        elif block.mark == "":
            block.printed = self.paste(block)
            if block.expected is not None:
                compare(block, block.printed.replace(f"127.0.0.1:{self.port}", ADDRESS).splitlines())

    def run_again(self, block):
        """Pastes a block that ran before, and compares the shape of its output with that of the first time."""
        self.ran += 1
        printed = self.paste(block)
        if block.expected is not None and shapes(printed) != shapes(block.printed):
            raise Failure(f"{block}: pasted again, the block prints\n{printed}\nrather than, as before,\n{block.printed}")

    def paste(self, block):
        """Runs a block in the session's shell; its output."""
        path, out, err = (self.folder / f"{self.ran}.{kind}" for kind in ("sh", "out", "err"))
        path.write_text(script(self.name, self.text(block)), encoding="utf-8")
        timer = threading.Timer(BLOCK_SECONDS, os.killpg, (self.shell.pid, signal.SIGKILL))
        timer.daemon = True
        timer.start()
        try:
            # Sourced, so that variables stay.
            source = f"source '{path}' >'{out}' 2>'{err}' </dev/null"
            if self.name == "fish":
                self.say(f"{source}; and echo ended; or echo failed")
            else:
                # On a line of its own, since `set -e` does not hold inside a list.
                self.say(source)
                self.say("echo ended")
            ended = self.shell.stdout.readline()
        finally:
            timer.cancel()
        printed, complaint = read(out), read(err)
        if ended != "ended\n":
            raise Failure(f"{block}: a command failed, or took longer than {BLOCK_SECONDS} s\n{printed}{complaint}")
        if complaint:
            raise Failure(f"{block}: the block complains\n{printed}{complaint}")
        return printed

    def serve(self, block):
        """Starts the service in place of the one before, and waits until it is ready."""
        self.stop_service()
        out, self.log = (self.folder / f"{self.ran}.{kind}" for kind in ("out", "err"))
        with open(out, "wb") as output, open(self.log, "wb") as log:
            # `exec env`, so that the process is the service itself, also where variables stand before the command.
            command, streams = ["bash", "-c", f"exec env {self.text(block)}"], {"stdout": output, "stderr": log}
            self.service = subprocess.Popen(command, stdin=subprocess.DEVNULL, **streams, **self.settings)
        until = time.monotonic() + READY_SECONDS
        # The banner is the last thing before the service waits for signals.
        while not (self.is_ready() and "  process " in read(out)):
            if self.service.poll() is not None or time.monotonic() > until:
                raise Failure(f"{block}: the service did not become ready\n{read(self.log)}")
            time.sleep(0.05)
        time.sleep(SETTLE_SECONDS)

    def is_ready(self):
        # As the program's own check: a load balancer's would make each end of the service wait for it.
        probe = urllib.request.Request(f"http://127.0.0.1:{self.port}/readyz",
                                       headers={"User-Agent": "rollcall-healthcheck"})
        try:
            with urllib.request.urlopen(probe, timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop_service(self):
        """Asks the service to end, which must be a clean end."""
        if self.service is None:
            return
        self.service.send_signal(signal.SIGTERM)
        status = self.service.wait(STOP_SECONDS)
        self.keep_log()
        if status != 0:
            raise Failure(f"the service ended with status {status}\n{read(self.log)}")
        self.service = None

    def keep_log(self):
        """Keeps the log, which scripts/test searches for keys at its end."""
        if "TEST_OUTPUT" in os.environ:
            with open(os.environ["TEST_OUTPUT"], "ab") as output:
                output.write(self.log.read_bytes())

    def finish(self):
        """Ends the page; fails if a block left a process behind."""
        self.stop_service()
        self.shell.stdin.close()
        self.shell.wait(STOP_SECONDS)
        if end_group(self.shell.pid):
            raise Failure("a block left a process behind")

    def kill(self):
        """Kills every process that still runs, as after a failure."""
        for process in (self.service, self.shell):
            if process is not None:
                end_group(process.pid)
                process.wait()


def end_group(group):
    """Kills the processes of a group; returns whether there were any."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def read(path):
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def shapes(printed):
    """The lines of an output: of JSON only members and types, of anything else the text."""
    return [shape(line) for line in printed.splitlines()]


def shape(line):
    def of(value):
        if isinstance(value, dict):
            return {name: of(member) for name, member in value.items()}
        if isinstance(value, list):
            return [of(value[0])] if value else []
        return type(value).__name__

    try:
        return of(json.loads(line))
    except ValueError:
        return line


def compare(block, printed):
    """Fails unless each line is as the page shows it, with `…` for any text."""
    patterns = [".+?".join(re.escape(part) for part in line.split(ANYTHING)) for line in block.expected]
    if len(patterns) != len(printed) or not all(re.fullmatch(p, line) for p, line in zip(patterns, printed)):
        shown, printed = "\n".join(block.expected), "\n".join(printed)
        raise Failure(f"{block}: the page shows\n{shown}\n\nand the block prints\n{printed}")


def run_page(page, shell, program):
    """Runs a page on an empty store; the number of blocks that ran."""
    todo = [block for part in chain(page) for block in blocks(part) if block.mark != "no-run"]
    if not any(block.page == page for block in todo):
        return 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rollcall-pages."))
    try:
        session = Session(shell, program, folder)
        try:
            for block in todo:
                session.run(block)
            for block in todo if is_first(page) else ():
                if block.mark == "":
                    session.run_again(block)
            session.finish()
        finally:
            session.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return len(todo)


def check_controls(shell, program):
    """Fails unless every control is found to be wrong."""
    with tempfile.TemporaryDirectory(prefix="rollcall-pages.") as folder:
        for name, text in CONTROLS.items():
            page = pathlib.Path(folder, "control")
            page.write_text(text, encoding="utf-8")
            try:
                check_syntax([shell], [page])
                run_page(page, shell, program)
            except Failure:
                continue
            raise Failure(f"control: {shell} did not notice {name}")


def all_pages():
    below = [page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), *below])


def main():
    # On SIGTERM the clean-up runs as at any other end, so that no service is left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--shell", choices=sorted(SHELLS), action="append")
    parser.add_argument("pages", nargs="*")
    arguments = parser.parse_args()
    shells = arguments.shell or sorted(SHELLS)
    program = pathlib.Path(arguments.program).resolve()
    pages = [pathlib.Path(page).resolve() for page in arguments.pages] or all_pages()
    try:
        for shell in shells:
            check_controls(shell, program)
        print(f"== pages: {len(CONTROLS)} controls were found in {' and '.join(shells)}", flush=True)
        print(f"   {check_syntax(shells, pages)} shell blocks are correct in syntax", flush=True)
        for page in filter(is_run, pages):
            for shell in shells:
                began = time.monotonic()
                ran = run_page(page, shell, program)
                if ran:
                    took = time.monotonic() - began
                    print(f"   {name_of(page)} in {shell}: {ran} blocks, {took:.1f} s", flush=True)
    except Failure as failure:
        print(f"== pages: {failure}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
