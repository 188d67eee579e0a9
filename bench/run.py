"""`make bench`: this service beside others on the same work. Read the ratios, not the figures.

The load comes from the same cores, so CPU time per request says more than requests per second. Rounds alternate
between the servers, because other work on the machine comes and goes.
"""

import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from data import BUSINESSES, USERS, fill, reset, write_requests
from servers import OURS, Contestant, Running, contestants, install, running
from support import postgres
from support.servers import free_port
from support.tenants import JWT_SECRET, N8N_API_KEY, SECRETS_KEYS, WEBHOOK_SECRET, WEBHOOK_TOKEN

HERE = Path(__file__).parent
CONNECTIONS = 32
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
MEMORY_REQUESTS = int(os.environ.get("BENCH_MEMORY_REQUESTS", "100000"))
TITLES = {
    "integration": "GET one integration",
    "list": "GET list of integrations",
    "video": "GET video",
    "credentials": "POST credentials",
    "status": "POST status",
    "generate": "POST generate-video",
}


@dataclass(frozen=True)
class Result:
    """CPU in microseconds per request, latencies in milliseconds."""

    cpu: float
    postgres_cpu: float
    per_second: float
    p50: float
    p99: float
    errors: float


class Bench:
    """One database, and the files of requests for it."""

    def __init__(self, url: str, database: str, folder: Path) -> None:
        self.url = url
        self._database = database
        self._folder = folder
        users = asyncio.run(fill(url))
        for operation in TITLES:
            write_requests(users, operation, folder / operation)

    def load(self, server: Running, operation: str, seconds: int) -> dict[str, float]:
        """Load a server for so long; return what requests.lua prints."""
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(HERE / "requests.lua")]
        command = ["wrk", *options, server.url, str(self._folder / operation)]
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
        found = re.search("RESULT (.*)", output.stdout)
        assert found, output.stdout + output.stderr
        result: dict[str, float] = json.loads(found[1])
        return result

    def measure(self, server: Running, operation: str) -> Result:
        """Warm up, then measure."""
        self._reset(operation)
        self.load(server, operation, 1)
        self._reset(operation)
        before, postgres_before = _cpu(server.process), self._postgres_cpu()
        load = self.load(server, operation, SECONDS)
        cpu, postgres_cpu = _cpu(server.process) - before, self._postgres_cpu() - postgres_before
        count = load["requests"]
        return Result(
            cpu / count * 1e6,
            postgres_cpu / count * 1e6,
            count / load["seconds"],
            load["p50"],
            load["p99"],
            load["errors"],
        )

    def _reset(self, operation: str) -> None:
        if operation == "generate":
            time.sleep(0.5)  # for jobs in flight
            asyncio.run(reset(self.url))

    def _postgres_cpu(self) -> float:
        """Return the CPU seconds of all connections to this database."""
        total = 0.0
        for process in psutil.process_iter(["cmdline"]):
            title = " ".join(process.info["cmdline"] or ())
            if title.startswith("postgres:") and self._database in title:
                total += _cpu(process)
        return total


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def webhook_receiver() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "receiver.py"), str(port)])
    try:
        yield f"http://127.0.0.1:{port}/webhook"
    finally:
        process.kill()


def print_table(results: dict[tuple[str, str], list[Result]]) -> None:
    """Print the medians of all rounds."""
    print(
        "\n| operation | server | CPU µs | × ours | PostgreSQL CPU µs | requests/s | p50 ms | p99 ms | errors |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for operation, title in TITLES.items():
        ours = statistics.median(r.cpu for r in results[operation, OURS.name])
        for (measured, name), rounds in results.items():
            if measured != operation:
                continue
            median = {
                field: statistics.median(getattr(r, field) for r in rounds)
                for field in Result.__annotations__
            }
            print(
                f"| {title} | {name} | {median['cpu']:.0f} | {median['cpu'] / ours:.2f} "
                f"| {median['postgres_cpu']:.0f} | {median['per_second']:.0f} | {median['p50']:.1f} "
                f"| {median['p99']:.1f} | {sum(r.errors for r in rounds):.0f} |"
            )
    one = statistics.median(r.cpu for r in results["integration", OURS.name])
    print("\nThis service's operations, × GET one integration:", end=" ")
    print(
        ", ".join(
            f"{operation} {statistics.median(r.cpu for r in results[operation, OURS.name]) / one:.2f}"
            for operation in OURS.operations
        )
    )


def print_start_and_memory(bench: Bench, environment: dict[str, str]) -> None:
    """Print how long the service takes to start, and its memory before and after many requests."""
    with running(OURS, environment) as server:
        bench.load(server, "integration", 1)
        sizes, done = [server.process.memory_info().rss / 2**20], 0.0
        while done < MEMORY_REQUESTS:
            done += bench.load(server, "integration", 5)["requests"]
            sizes.append(server.process.memory_info().rss / 2**20)
        middle = sizes[len(sizes) // 2]
        print(
            f"\n/health/live answers {server.start_seconds:.2f} s after `ai-avatar serve`, "
            f"{server.start_cpu:.2f} s of them on a core. "
            f"Memory: {sizes[0]:.0f} MiB at first, {middle:.0f} MiB half way, "
            f"{sizes[-1]:.0f} MiB after {done:.0f} requests."
        )


def bench_environment(url: str, webhook: str) -> dict[str, str]:
    """Return the environment of every server: this database, and this webhook's address."""
    return {
        "DATABASE_URL": url,
        "SUPABASE_JWT_SECRET": JWT_SECRET,
        "N8N_API_KEY": N8N_API_KEY,
        "SECRETS_KEYS": SECRETS_KEYS,
        "N8N_HEYGEN_WEBHOOK_URL": webhook,
        "N8N_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "N8N_WEBHOOK_TOKEN": WEBHOOK_TOKEN,
        "KEY_CHECK_HOURS": "0",
        "WEBHOOK_URL": webhook,
    }


def main() -> None:
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing. On Debian: apt-get install wrk")
    install()
    servers: list[Contestant] = contestants()
    database_server = postgres.start()
    with (
        tempfile.TemporaryDirectory() as folder,
        database_server.database(template=database_server.migrated_template()) as name,
        webhook_receiver() as webhook,
    ):
        url = database_server.url(name)
        bench = Bench(url, name, Path(folder))
        environment = bench_environment(url, webhook)
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
        print(
            f"{CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s, {USERS} users of {BUSINESSES} integrations, "
            f"{os.cpu_count()} cores; the machine's load before: {load}",
            flush=True,
        )
        results: dict[tuple[str, str], list[Result]] = {}
        for number in range(ROUNDS):
            for contestant in servers[number % len(servers) :] + servers[: number % len(servers)]:
                with running(contestant, environment) as server:
                    for operation in contestant.operations:
                        found = bench.measure(server, operation)
                        results.setdefault((operation, contestant.name), []).append(found)
        print_table(results)
        print_start_and_memory(bench, environment)


if __name__ == "__main__":
    main()
