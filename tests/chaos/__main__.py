"""`make chaos`: break things while users work, print figures, exit with 1 if a promise is broken.

CHAOS_SEED repeats the random choices of a run.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence

from chaos import neighbours, poolers, scenarios
from chaos.programs import PROGRAMS, require
from chaos.promises import Report, check_logs
from chaos.scenarios import Run, Scenario
from chaos.stack import running, seed

SCENARIOS: tuple[Scenario, ...] = (
    scenarios.replicas_killed,
    scenarios.replicas_restarted,
    scenarios.database_stopped,
    scenarios.database_slow,
    scenarios.database_read_only,
    poolers.pooler_restarted,
    scenarios.n8n_misbehaves,
    scenarios.heygen_misbehaves,
    neighbours.half_open,
    neighbours.noisy_neighbours,
)
# What 25 s of CI are enough for.
SHORT: tuple[Scenario, ...] = (
    scenarios.replicas_restarted,
    scenarios.replicas_killed,
    scenarios.database_read_only,
)


def main() -> None:
    """Run the chosen scenarios, one after the other, on one system."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=", ".join(each.__name__ for each in SCENARIOS))
    parser.add_argument("--short", action="store_true", help="some scenarios for a short time, for CI")
    options = parser.parse_args()
    for name in PROGRAMS:
        require(name)
    chosen = [each for each in SCENARIOS if each.__name__ in options.scenarios] or (
        SHORT if options.short else SCENARIOS
    )
    number, started, report = seed(), time.monotonic(), Report()
    print(f"CHAOS_SEED={number}")
    run = Run(report, random.Random(number), seconds=1.0 if options.short else 15.0)
    asyncio.run(run_all(chosen, run))
    print(f"\n{time.monotonic() - started:.0f} s, CHAOS_SEED={number}")
    for broken in report.broken:
        print(f"BROKEN {broken}")
    sys.exit(1 if report.broken else 0)


async def run_all(chosen: Sequence[Scenario], run: Run) -> None:
    """Start the system and run the scenarios."""
    async with running(3, run.rng) as stack:
        for scenario in chosen:
            run.report.begin(f"{scenario.__name__}: {scenario.__doc__}")
            await scenario(run, stack)
            await stack.wait_until_ready()
        run.report.begin("At the end")
        check_logs(stack, run.report)


if __name__ == "__main__":
    main()
