"""A redis server: its own benchmark, then known data, a snapshot in a forked child while clients write, and a reload."""

import hashlib
import os
import socket
import subprocess
import time

from .runs import Outcome, split_reports

START_S = 30


class Client:
    """As much of redis' protocol as is needed."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        text = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.socket.sendall(text)

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:].rstrip(b"\r\n")
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            if rest == b"-1":
                return None
            body = self.file.read(int(rest) + 2)
            return body[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if not line:
            raise RuntimeError("the server closed the connection")
        return rest

    def call(self, *words):
        self.send(*words)
        return self.reply()

    def many(self, commands):
        """Sends a batch, then reads the replies."""
        for at in range(0, len(commands), 500):
            batch = commands[at : at + 500]
            for command in batch:
                self.send(*command)
            for _ in batch:
                self.reply()


def start(folder, variables, path):
    # No port: a socket in the folder is all that there is to reach.
    command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", str(folder),
               "--dbfilename", "dump.rdb", "--activedefrag", "no", "--hz", "50", "--loglevel", "warning"]
    figures = folder.parent / "server.figures"
    plain = {name: value for name, value in variables.items() if name not in ("LD_PRELOAD", "HAKMEM_SHOW_STATS")}
    preload = [f"{name}={variables[name]}" for name in ("LD_PRELOAD", "HAKMEM_SHOW_STATS") if name in variables]
    launcher = ["/usr/bin/time", "-q", "-f", "%M", "-o", str(figures), "/usr/bin/env", *preload]
    server = subprocess.Popen(launcher + command, env=plain, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        try:
            client = Client(path)
            client.call("PING")
            return server, client, figures
        except (OSError, RuntimeError):
            time.sleep(0.02)
    server.kill()
    raise RuntimeError(f"the server did not start: {server.communicate()[1].decode()}")


def stop(server, client, figures, total):
    try:
        client.call("SHUTDOWN", "NOSAVE")
    except (RuntimeError, OSError):
        pass  # it closes the connection instead of answering
    _, errors = server.communicate(timeout=60)
    errors, reports = split_reports(errors.decode("utf-8", "replace"))
    total.errors += errors
    total.reports += reports
    total.status = total.status or server.returncode
    total.peak_kib = max(total.peak_kib, int(figures.read_text().split()[-1]))


def text(seed, length):
    return (hashlib.sha256(str(seed).encode()).hexdigest() * (length // 64 + 1))[:length]


def data(keys):
    """Commands that make `keys` keys of every type and many sizes."""
    commands = []
    for i in range(keys):
        length = 20 + i * 7919 % 3000
        kind = i % 6
        if kind == 0:
            commands.append(("SET", f"string:{i}", text(i, length)))
        elif kind == 1:
            commands.append(("RPUSH", f"list:{i}", *(text((i, k), 40) for k in range(length // 40 + 1))))
        elif kind == 2:
            commands.append(("SADD", f"set:{i}", *(text((i, k), 24) for k in range(length // 60 + 1))))
        elif kind == 3:
            commands.append(("HSET", f"hash:{i}", *(word for k in range(length // 100 + 1)
                                                    for word in (f"field{k}", text((i, k), 50)))))
        elif kind == 4:
            commands.append(("ZADD", f"sorted:{i}", *(word for k in range(length // 80 + 1) for word in (k * i % 97, f"m{k}"))))
        else:
            commands.append(("XADD", f"stream:{i}", f"{i + 1}-1", "field", text(i, length)))
    # Some go again, and some grow, so that the heap is not freshly built.
    commands += [("DEL", f"string:{i}") for i in range(0, keys, 18)]
    commands += [("APPEND", f"string:{i}", text(-i, 500)) for i in range(6, keys, 12)]
    return commands


READ = {
    b"string": ("GET",), b"list": ("LRANGE", 0, -1), b"set": ("SMEMBERS",), b"hash": ("HGETALL",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"), b"stream": ("XRANGE", "-", "+"),
}


def contents(client):
    """A digest of all keys and values, in an order of their own, and how many there are."""
    digest = hashlib.sha256()
    keys = sorted(client.call("KEYS", "*"))
    for key in keys:
        kind = client.call("TYPE", key)
        command, *more = READ[kind]
        value = client.call(command, key, *more)
        if kind == b"set":
            value = sorted(value)
        elif kind == b"hash":
            value = sorted(zip(value[::2], value[1::2]))
        digest.update(repr((key, kind, value)).encode())
    return len(keys), digest.hexdigest()


def wait_for_snapshot(client):
    end = time.monotonic() + 120
    while b"rdb_bgsave_in_progress:1" in client.call("INFO", "persistence"):
        if time.monotonic() > end:
            raise RuntimeError("the snapshot takes more than two minutes")
        time.sleep(0.02)
    if b"rdb_last_bgsave_status:ok" not in client.call("INFO", "persistence"):
        raise RuntimeError("the snapshot failed")


def benchmark(path, variables, requests):
    names = "set,get,incr,lpush,lpop,sadd,hset,spop,zadd,lrange_100,mset"
    command = ["redis-benchmark", "-s", path, "-q", "-n", str(requests), "-c", "20", "-P", "8", "-d", "100", "-r", "10000",
               "-t", names]
    done = subprocess.run(command, env=variables, capture_output=True, timeout=600, check=False)
    errors, reports = split_reports(done.stderr.decode("utf-8", "replace"))
    # The rates differ from run to run; that every test came to its end does not.
    finished = done.stdout.decode("utf-8", "replace").count("requests per second")
    return done.returncode, f"benchmark: {finished} tests\n", errors, reports


def work(client, path, variables, quick, total):
    status, line, errors, reports = benchmark(path, variables, 20000 if quick else 100000)
    total.status, total.errors, total.reports = status, total.errors + errors, total.reports + reports
    total.output += line
    client.call("FLUSHALL")
    keys = 6000 if quick else 60000
    client.many(data(keys))
    total.output += f"loaded: {contents(client)}\n"
    client.call("BGSAVE")
    # The child writes what was there at the fork; these writes must not reach it.
    client.many([("SET", f"later:{i}", text(i, 1000)) for i in range(keys // 10)])
    client.many([("DEL", f"later:{i}") for i in range(keys // 10)])
    wait_for_snapshot(client)
    client.call("SAVE")
    total.output += f"after the snapshots: {contents(client)}\n"


def run(folder, variables, quick):
    total = Outcome()
    # A socket's path has little room.
    path = os.path.join(os.path.dirname(str(folder)), "s")
    begin = time.perf_counter()
    server, client, figures = start(folder, variables, path)
    try:
        work(client, path, variables, quick, total)
    finally:
        stop(server, client, figures, total)
    server, client, figures = start(folder, variables, path)  # reads the snapshot
    try:
        total.output += f"after the reload: {contents(client)}\n"
    finally:
        stop(server, client, figures, total)
    total.seconds = time.perf_counter() - begin
    return total
