"""Each program on the system's malloc and on hakmem: the same to the byte, and hakmem at work."""

import difflib
import shutil
import tempfile
import time
from pathlib import Path

from . import runs


def run(programs, library, quick):
    passed = failed = skipped = 0
    for program in programs:
        reason = program.why_not()
        if reason is not None:
            print(f"skip  {program.name:12} {reason}", flush=True)
            skipped += 1
            continue
        begin = time.perf_counter()
        problem = compare(program, library, quick)
        seconds = time.perf_counter() - begin
        if problem is None:
            print(f"same  {program.name:12} {program.what(quick)} ({seconds:.1f} s)", flush=True)
            passed += 1
        else:
            print(f"DIFF  {program.name:12} {problem}", flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def compare(program, library, quick):
    """None, or what is wrong."""
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="hakmem-compat-") as place:
        for chosen, show in ((None, False), (library, False), (library, True)):
            # The same folder each time, empty: some programs write down where they ran.
            folder = Path(place) / "work"
            folder.mkdir()
            outcome = program.run(folder, chosen, show, quick)
            outcome.output = program.normal(outcome.output, place)
            outcome.errors = program.normal(outcome.errors, place)
            outcomes.append(outcome)
            shutil.rmtree(folder)
    system, plain, shown = outcomes
    if system.status != 0:
        return f"fails on the system's malloc already, with status {system.status}: {tail(system.errors or system.output)}"
    comparable = [(plain, "with hakmem")]
    if program.minds_no_summary:
        comparable.append((shown, "with hakmem and HAKMEM_SHOW_STATS=1"))
    for outcome, how in comparable:
        problem = difference(system, outcome)
        if problem is not None:
            return f"{how}: {problem}"
    if plain.reports:
        return f"hakmem wrote without being asked: {tail(plain.reports)}"
    if not runs.served(shown.reports + shown.output):
        return "no summary shows that hakmem served it"
    return None


def difference(system, other):
    if other.status != system.status:
        return f"status {other.status} instead of {system.status}: {tail(other.reports + other.errors)}"
    for what in ("output", "errors"):
        expected, found = getattr(system, what), getattr(other, what)
        if expected != found:
            lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), "system", "hakmem", lineterm="", n=0)
            return f"{what} differ:\n" + "\n".join(list(lines)[:20])
    if system.files != other.files:
        names = [name for name in {**system.files, **other.files} if system.files.get(name) != other.files.get(name)]
        return f"files differ: {' '.join(sorted(names)[:10])}"
    return None


def tail(text):
    return " | ".join(text.strip().splitlines()[-5:])
