"""Running a program in a folder of its own, and what came of it."""

import hashlib
import os
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT_S = 900


@dataclass
class Outcome:
    """What a run did. `figures` is of `seconds` and `peak_kib`; all else must not differ from one allocator to the next."""

    status: int = 0
    output: str = ""
    errors: str = ""
    files: dict = field(default_factory=dict)
    seconds: float = 0.0
    peak_kib: int = 0
    reports: str = ""  # lines of hakmem's own, taken out of `errors`


def environment(library, show_stats=False, **more):
    """Few variables, the same for every run, and the library to preload."""
    variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    variables.update({"LC_ALL": "C.UTF-8", "TZ": "UTC"})
    variables.update(more)
    if library is not None:
        variables["LD_PRELOAD"] = str(library)
    if show_stats:
        variables["HAKMEM_SHOW_STATS"] = "1"
    return variables


def run(command, folder, variables, stdin=None):
    """Runs one command. Peak memory is that of the largest process of its tree."""
    # A small launcher: a process inherits the peak of whoever forked it, and Python's own is large. The library is for the
    # command, not for the launcher.
    figures = folder.parent / f"{folder.name}.figures"
    plain = {name: value for name, value in variables.items() if name not in ("LD_PRELOAD", "HAKMEM_SHOW_STATS")}
    preload = [f"{name}={variables[name]}" for name in ("LD_PRELOAD", "HAKMEM_SHOW_STATS") if name in variables]
    launcher = ["/usr/bin/time", "-q", "-f", "%M", "-o", str(figures), "/usr/bin/env", *preload]
    source = stdin.encode() if isinstance(stdin, str) else stdin
    begin = time.perf_counter()
    done = subprocess.run(launcher + command, cwd=folder, env=plain, input=source if source is not None else b"",
                          capture_output=True, timeout=TIMEOUT_S, check=False)
    seconds = time.perf_counter() - begin
    errors, reports = split_reports(done.stderr.decode("utf-8", "replace"))
    return Outcome(done.returncode, done.stdout.decode("utf-8", "replace"), errors, {}, seconds,
                   int(figures.read_text().split()[-1]), reports)


def run_all(commands, folder, variables):
    """Runs commands one after the other, as one outcome; ends at the first that fails. A command may be a pair of it and its
    standard input."""
    total = Outcome()
    for command in commands:
        stdin = None
        if isinstance(command, tuple):
            command, stdin = command
        one = run(command, folder, variables, stdin)
        total.status = one.status
        total.output += one.output
        total.errors += one.errors
        total.reports += one.reports
        total.seconds += one.seconds
        total.peak_kib = max(total.peak_kib, one.peak_kib)
        if one.status != 0:
            break
    total.files = digests(folder)
    return total


def split_reports(errors):
    """hakmem's lines apart from the program's. A line of hakmem's is written whole; git passes those of its other side on."""
    own, rest = [], []
    for line in errors.splitlines(keepends=True):
        begin = line.removeprefix("remote: ")
        (own if begin.startswith("hakmem:") else rest).append(begin if begin.startswith("hakmem:") else line)
    return "".join(rest), "".join(own)


def digests(folder):
    """Every file below, by its contents."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def served(reports):
    """Whether hakmem's summaries show a process that it gave memory to."""
    return re.search(r"^hakmem:   committed [1-9]", reports, re.MULTILINE) is not None
