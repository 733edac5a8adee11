"""What must be there before anything runs: the library, and the Debian packages of the programs."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Other allocators, as Debian has them: name, package, where the library lies.
PEERS = {
    "jemalloc": ("libjemalloc2", "libjemalloc.so.2"),
    "mimalloc": ("libmimalloc2.0", "libmimalloc.so.2"),
    "tcmalloc": ("libtcmalloc-minimal4", "libtcmalloc_minimal.so.4"),
}


def fail(line):
    sys.exit(f"compat: {line}")


def library(given):
    """The library to test: the given one, or a fresh release build."""
    if given is not None:
        if not given.is_file():
            fail(f"there is no file {given}")
        return given.resolve()
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "hakmem-malloc"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    return (ROOT / target / "release" / "libhakmem_malloc.so").resolve()


def install(programs, with_peers):
    """Installs what the programs need and the machine lacks."""
    wanted = {package for program in programs if not program.there() for package in program.packages}
    if with_peers:
        wanted |= {package for package, _ in PEERS.values()}
    if not Path("/usr/bin/time").exists():
        wanted.add("time")
    missing = sorted(package for package in wanted if not installed(package))
    if not missing:
        return
    if os.geteuid() != 0:
        fail(f"only root can install: {' '.join(missing)}")
    # RUNLEVEL=1: a server's package must not start the server.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]):
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def installed(package):
    query = ["dpkg-query", "-W", "-f", "${Status}", package]
    return "ok installed" in subprocess.run(query, capture_output=True, text=True, check=False).stdout


def version_of(package):
    query = ["dpkg-query", "-W", "-f", "${Version}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout


def peer_libraries():
    """The other allocators that are installed: name -> library."""
    found = {}
    for name, (_, file) in PEERS.items():
        for path in sorted(Path("/usr/lib").glob(f"*/{file}")):
            found.setdefault(name, path)
    return found
