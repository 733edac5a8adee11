"""The programs, what they do, and what of their output is not worth comparing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import redis, runs
from .setup import ROOT, version_of

WORK = Path(__file__).resolve().parent / "work"


class Program:
    """One program: commands to run in an empty folder. Sub-classes say which."""

    name = ""
    packages = ()
    needs = ()  # commands or files that must be there
    slow = False  # left out with --quick
    variables = {}
    minds_no_summary = True  # False: it reads what its children write to stderr, so summaries change what it does
    unstable = ()  # patterns of what changes from run to run

    def there(self):
        return all(Path(need).exists() if need.startswith("/") else shutil.which(need) for need in self.needs)

    def why_not(self):
        return None if self.there() else f"needs {' '.join(self.needs)} (Debian: {' '.join(self.packages)})"

    def version(self):
        return version_of(self.packages[0]) if self.packages else ""

    def what(self, quick):
        raise NotImplementedError

    def commands(self, quick):
        raise NotImplementedError

    def prepare(self, folder):
        """Puts files into the folder, outside of what is measured."""

    def run(self, folder, library, show_stats, quick):
        self.prepare(folder)
        variables = runs.environment(library, show_stats, **self.variables)
        return runs.run_all(self.commands(quick), folder, variables)

    def normal(self, text, place):
        text = text.replace(place, "PLACE")
        for pattern in self.unstable:
            text = re.sub(pattern, "", text, flags=re.MULTILINE)
        return text


class Python(Program):
    name = "python3"
    packages = ("python3", "libpython3.11-testsuite")
    needs = ("/usr/bin/python3", "/usr/lib/python3.11/test/test_json")
    variables = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    unstable = (r"^\d+:\d\d:\d\d load avg: [\d.]+ ", r"^Total duration: .*$", r" in [\d.]+ (ms|sec|min).*$",
                r"^== (cwd|CPU count|encodings|host|cpu): .*$", r"^Using random seed.*$", r" \([\d.]+ (sec|min).*\)$")
    minds_no_summary = False
    few = "test_json test_dict test_list test_set test_string test_deque".split()
    many = few + ("test_struct test_bytes test_unicode test_re test_sort test_array test_memoryview test_generators test_gc "
                  "test_threading test_zlib test_bz2 test_ast test_heapq test_copy test_weakref test_collections "
                  "test_functools test_marshal test_xml_etree test_ctypes").split()

    def what(self, quick):
        return f"{len(self.few if quick else self.many)} parts of its own test suite, PYTHONMALLOC=malloc"

    def commands(self, quick):
        return [["/usr/bin/python3", "-m", "test", "-q", *(self.few if quick else self.many)]]

    def run(self, folder, library, show_stats, quick):
        outcome = super().run(folder, library, show_stats, quick)
        outcome.files = {}  # the tests' own temporary folders carry process numbers
        return outcome


class Script(Program):
    """An interpreter with a script of ours from compat_parts/work; the size of the work is its argument."""

    script = ""
    command = ()
    work = ""
    sizes = (1, 4)  # quick, full

    def what(self, quick):
        return self.work

    def commands(self, quick):
        return [[*self.command, str(WORK / self.script), str(self.sizes[0 if quick else 1])]]


class Perl(Script):
    name, packages, needs = "perl", ("perl",), ("perl",)
    script, command = "words.pl", ("perl",)
    variables = {"PERL_HASH_SEED": "0"}
    work = "hashes, sorting, regular expressions and closures"


class Lua(Script):
    name, packages, needs = "lua", ("lua5.4",), ("lua5.4",)
    script, command = "trees.lua", ("lua5.4",)
    work = "tables, strings, coroutines and binary trees"


class Node(Script):
    name, packages, needs = "node", ("nodejs",), ("node",)
    script, command = "mixed.js", ("node",)
    work = "JSON, maps, buffers, zlib, hashes and worker threads"

    def version(self):
        return subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()


class Sqlite(Program):
    name, packages, needs = "sqlite3", ("sqlite3",), ("sqlite3",)

    def what(self, quick):
        return f"{'50,000' if quick else '400,000'} rows: indexes, joins, full text, dump and reload"

    def commands(self, quick):
        script = (WORK / "tables.sql").read_text().replace("@ROWS@", "50000" if quick else "400000")
        return [(["sqlite3", "-batch", "data.db"], script), ["sqlite3", "data.db", ".dump"],
                ["sqlite3", "data.db", "pragma integrity_check"]]


class Git(Program):
    name, packages, needs = "git", ("git",), ("git",)
    variables = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_PAGER": "cat"}

    def version(self):
        return subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout.split()[-1]

    def what(self, quick):
        return "clone, log with patches, blame, grep, repack and fsck of this repository and a tree of headers"

    def commands(self, quick):
        repository = ["git", "-C", "headers"]
        fixed = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        commands = [
            ["git", "-c", "safe.directory=*", "clone", "-q", "--bare", "--no-local", str(ROOT), "own.git"],
            ["git", "-C", "own.git", "log", "--stat", "-p", "--all", "--date=unix"],
            ["git", "-C", "own.git", "blame", "HEAD", "--", "Cargo.toml"],
            ["git", "-C", "own.git", "repack", "-adfq", "--threads=1"],
            ["git", "-C", "own.git", "fsck", "--full", "--no-progress"],
            ["git", "init", "-q", "headers"],
            ["cp", "-rL", "/usr/include/linux", "headers/linux"],
            [*repository, "add", "."],
            [*repository, *fixed, "commit", "-q", "-m", "headers"],
            [*repository, "grep", "-c", "define"],
            [*repository, "log", "--numstat", "--format=%T"],
        ]
        if not quick:
            commands += [["cp", "-rL", "/usr/include/c++", "headers/cxx"], [*repository, "add", "."],
                         [*repository, *fixed, "commit", "-q", "-m", "more"],
                         [*repository, "repack", "-adfq", "--threads=1", "--depth=250", "--window=100"],
                         [*repository, "fsck", "--full", "--no-progress"]]
        return commands

    def run(self, folder, library, show_stats, quick):
        day = "2020-01-01T00:00:00Z"
        self.variables = {**Git.variables, "GIT_AUTHOR_DATE": day, "GIT_COMMITTER_DATE": day}
        outcome = super().run(folder, library, show_stats, quick)
        # An index holds times of files; packs and their contents are compared through log, fsck and the trees' names.
        outcome.files = {name: digest for name, digest in outcome.files.items() if name.endswith((".pack", ".idx"))}
        return outcome


class Compiler(Program):
    """Compiles this project's C core and a large C++ file; the object files must be the same."""

    c, cxx = "", ""

    def what(self, quick):
        if quick:
            return "half of the C core and a file of C++ templates"
        return "the C core and a file of C++ templates, optimised, with debug information, and as assembler"

    def commands(self, quick):
        sources = sorted(str(path) for path in (ROOT / "csrc/src").glob("*.c"))
        templates = str(WORK / "templates.cpp")
        if quick:
            return [[self.c, "-O1", "-std=gnu11", "-w", "-c", *sources[::2]], [self.cxx, "-std=c++17", "-O0", "-DDEPTH=2", "-c", templates]]
        return [[self.c, "-O2", "-std=gnu11", "-w", "-c", *sources],
                [self.cxx, "-std=c++17", "-O3", "-g", "-DDEPTH=8", "-c", templates, "-o", "debug.o"],
                [self.cxx, "-std=c++17", "-O2", "-DDEPTH=8", "-S", templates, "-o", "templates.s"]]


class Gcc(Compiler):
    name, packages, needs = "gcc", ("gcc", "g++"), ("gcc", "g++")
    c, cxx = "gcc", "g++"


class Clang(Compiler):
    name, packages, needs = "clang", ("clang",), ("clang", "clang++")
    c, cxx = "clang", "clang++"
    slow = True


class Ghostscript(Program):
    name, packages, needs = "ghostscript", ("ghostscript",), ("gs",)

    def what(self, quick):
        return "a page of curves, text and shading as a bitmap, and as PDF"

    def commands(self, quick):
        common = ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE"]
        page = str(WORK / "page.ps")
        commands = [[*common, "-sDEVICE=ppmraw", f"-r{72 if quick else 300}", "-sOutputFile=page.ppm", page]]
        if not quick:
            commands.append([*common, "-sDEVICE=png16m", "-r150", "-dTextAlphaBits=4", "-sOutputFile=page.png", page])
        return commands


class Apt(Program):
    """Installs and removes a small package, with everything that apt-get and dpkg start under hakmem."""

    name, packages, needs = "apt-get", ("apt",), ("apt-get", "dpkg")
    slow = True
    minds_no_summary = False
    unstable = (r"^Fetched .*$", r"^Get:.*$", r"^\(Reading database.*$", r"^.*\d+ files and directories currently installed.*$",
                r"^debconf: .*$")
    package = "hello"

    def why_not(self):
        return super().why_not() or (None if os.geteuid() == 0 else "needs root")

    def what(self, quick):
        return f"install and remove of the package {self.package}"

    def commands(self, quick):
        return [["apt-get", "install", "-y", "-qq", "--reinstall", self.package], [self.package],
                ["apt-get", "remove", "-y", "-qq", self.package]]


class Redis(Program):
    name, packages, needs = "redis", ("redis-server", "redis-tools"), ("redis-server", "redis-benchmark")

    def what(self, quick):
        return "its own benchmark, every type of value, snapshots while it is written to, reload; on a local socket"

    def run(self, folder, library, show_stats, quick):
        return redis.run(folder, runs.environment(library, show_stats), quick)


ALL = [Python(), Perl(), Sqlite(), Git(), Gcc(), Clang(), Redis(), Node(), Ghostscript(), Lua(), Apt()]


def choose(only, quick):
    names = [program.name for program in ALL]
    for name in only or []:
        if name not in names:
            raise SystemExit(f"compat: there is no program {name}; there are {' '.join(names)}")
    if only:
        return [program for program in ALL if program.name in only]
    return [program for program in ALL if not (quick and program.slow)]
