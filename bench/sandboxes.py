"""What a contained command costs beyond itself, at each level that holds here: `python bench/sandboxes.py`."""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from nebulus.adapters.sandboxes.probe import Wanted, find_sandbox
from nebulus.adapters.sandboxes.processes import run_bounded
from nebulus.adapters.sandboxes.reach import Reach
from nebulus.adapters.sandboxes.uncontained import Uncontained

COMMAND = ("/bin/true",)
LEVELS: tuple[Wanted, ...] = ("namespaces", "landlock")


async def median_ms(act: Callable[[], Awaitable[object]], runs: int) -> float:
    """Return the median time that `act` takes, in milliseconds."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        await act()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


async def measure(runs: int) -> None:
    """Print a line for the bare command and for each level."""
    print(f"{COMMAND[0]}, median of {runs}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    bare = await median_ms(lambda: run_bounded(COMMAND, timeout_s=10, output_bytes=100), runs)
    print(f"{'bare':<12} {bare:6.1f} ms")
    with tempfile.TemporaryDirectory() as folder:
        for level in LEVELS:
            sandbox = await find_sandbox(Reach(Path(folder)), wanted=level)
            if isinstance(sandbox, Uncontained):
                print(f"{level:<12} does not hold: {sandbox.reason}")
                continue
            took = await median_ms(partial(sandbox.run, COMMAND, timeout_s=10), runs)
            print(f"{level:<12} {took:6.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    asyncio.run(measure(parser.parse_args().runs))
