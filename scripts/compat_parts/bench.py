"""Time and peak memory of each program on each allocator, in turn over several rounds."""

import hashlib
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from .setup import PEERS, ROOT, fail, peer_libraries, version_of

DOCUMENT = ROOT / "docs" / "COMPATIBILITY.md"
# Programs of which a round takes less, in seconds, run three times as often: a garbage collector's peaks need it most.
SHORT_ROUND = 10
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def run(programs, library, options):
    allocators = {"system": None, "hakmem": library, **peer_libraries()}
    for name, (package, _) in PEERS.items():
        if name not in allocators:
            print(f"skip  {name}: Debian's {package} is not installed")
    conditions = conditions_of(allocators, options)
    rows = kept(conditions) if options.resume else {}
    for program in programs:
        reason = program.why_not()
        if reason is not None:
            print(f"skip  {program.name:12} {reason}", flush=True)
            continue
        if program.name == "apt-get":
            continue  # it waits for the network
        if program.name in rows:
            print(f"kept  {line_of(rows[program.name])}", flush=True)
            continue
        rows[program.name] = measure(program, allocators, options)
        print(f"bench {line_of(rows[program.name])}", flush=True)
        keep(rows, conditions)  # after each program: the whole takes long, and may be interrupted
    if not rows:
        fail("nothing was measured")
    text = table(list(rows.values()), list(allocators), options.rounds)
    print(f"\n{text}")
    if options.write:
        write(text)
    return 0


def measure(program, allocators, options):
    """One row: for each allocator the seconds and the peak of every round."""
    names = list(allocators)
    figures = {name: {"seconds": [], "peak_kib": []} for name in names}
    rounds, number = options.rounds, 0
    begin = time.perf_counter()
    while number < rounds:
        # Another one begins each time: what runs first finds the files less warm.
        for name in names[number % len(names):] + names[: number % len(names)]:
            with tempfile.TemporaryDirectory(prefix="hakmem-compat-") as place:
                folder = Path(place) / "work"
                folder.mkdir()
                outcome = program.run(folder, allocators[name], False, options.quick)
            if outcome.status != 0:
                fail(f"{program.name} on {name} ends with status {outcome.status}: {outcome.errors[-500:]}")
            figures[name]["seconds"].append(round(outcome.seconds, 4))
            figures[name]["peak_kib"].append(outcome.peak_kib)
        if number == 0 and time.perf_counter() - begin < SHORT_ROUND:
            rounds *= 3
        number += 1
    return {"program": program.name, "version": program.version(), "what": program.what(options.quick), "figures": figures}


def seconds(row, name):
    return statistics.median(row["figures"][name]["seconds"])


def peak_mib(row, name):
    return statistics.median(row["figures"][name]["peak_kib"]) / 1024


def fastest(row):
    return min(row["figures"], key=lambda name: seconds(row, name))


def level(row):
    """Whether hakmem's rounds and the fastest allocator's overlap."""
    return min(row["figures"]["hakmem"]["seconds"]) <= max(row["figures"][fastest(row)]["seconds"])


def largest(row):
    return max(row["figures"], key=lambda name: peak_mib(row, name))


def line_of(row):
    cells = "  ".join(f"{name} {seconds(row, name):.2f} s {peak_mib(row, name):.1f} MiB" for name in row["figures"])
    return f"{row['program']:12} {cells}"


def table(rows, names, rounds):
    lines = [
        f"| program | what ran | {' | '.join(names)} | level | largest |",
        f"| --- | --- | {' | '.join('---' for _ in names)} | --- | --- |",
    ]
    for row in rows:
        cells = []
        for name in names:
            cell = f"{seconds(row, name):.2f} s, {peak_mib(row, name):.1f}"
            cells.append(f"**{cell}**" if name == fastest(row) else cell)
        lines.append(f"| {row['program']} {row['version']} | {row['what']} | {' | '.join(cells)} | "
                     f"{'yes' if level(row) else 'no'} | {largest(row)} |")
    versions = ", ".join(f"{name} {version_of(package)}" for name, (package, _) in PEERS.items() if name in names)
    count = sum(level(row) for row in rows)
    lines += ["", f"Medians of {rounds} rounds, of {3 * rounds} where a round takes less than {SHORT_ROUND} s: seconds and peak MiB of the largest process; the fastest in bold. *level*: "
              f"hakmem's rounds overlap the fastest allocator's ({count} of {len(rows)}). *largest*: who took most memory. "
              f"System: {platform.libc_ver()[0]} {platform.libc_ver()[1]}; {versions}. "
              f"{os.cpu_count()} processors ({platform.machine()})."]
    return "\n".join(lines)


def conditions_of(allocators, options):
    """What rows of one table must have in common: the very library, the allocators and the amount of work."""
    digest = hashlib.sha256(allocators["hakmem"].read_bytes()).hexdigest()
    return {"library": digest, "allocators": list(allocators), "rounds": options.rounds, "quick": options.quick}


def figures_file():
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "compat" / "figures.json"


def kept(conditions):
    """The rows of a run that was interrupted, by program; none when its conditions were others or its file is damaged."""
    try:
        found = json.loads(figures_file().read_text())
        if found["conditions"] == conditions:
            return {row["program"]: row for row in found["rows"]}
        print("figures of other conditions (library, allocators, rounds or --quick) are measured anew")
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError) as error:
        print(f"{figures_file()} cannot be read ({error!r}): all is measured anew")
    return {}


def keep(rows, conditions):
    """Every round's figures, for --resume and for whoever wants to look at the spread."""
    file = figures_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps({"conditions": conditions, "rows": list(rows.values())}, indent=1) + "\n")
    fresh.replace(file)


def write(text):
    document = DOCUMENT.read_text()
    if BEGIN not in document or END not in document:
        fail(f"{DOCUMENT.name} lacks the marks {BEGIN} and {END}")
    head, rest = document.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    DOCUMENT.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")
