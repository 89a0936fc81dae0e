"""What memory is worth: flat prompts, needed facts, the cost of distilling and composing, and ablations.

python bench/memory.py flat       # prompt size at steps 10, 100, 1,000; bytes against a raw transcript
python bench/memory.py live       # raw transcript, sliding window and Nebulus on one llama.cpp server
python bench/memory.py needed     # is the needed fact in the prompt, at four budgets
python bench/memory.py read       # values in prose: found by code, read by scripts, read by the model
python bench/memory.py tools      # more tools than a step is shown: what is evaluated again
python bench/memory.py trace      # whether values of recorded calls are found where they were seen
python bench/memory.py cost       # distilling 100 KB, composing at step 1,000
python bench/memory.py ablations  # without facts, lessons, the last result, the order that keeps a cache
python bench/memory.py long       # with and without stored results, where results are long
python bench/memory.py --write docs/measured      # all of them, with memory.json and memory.svg
"""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench.memory_ablations import DEPTHS, ablations
from bench.memory_cost import cost
from bench.memory_live import flat, live
from bench.memory_long import long_results
from bench.memory_needed import needed
from bench.memory_read import reading
from bench.memory_tools import many_tools
from bench.memory_trace import traced
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.app.bootstrap import nano_path
from nebulus.ports.backend import ModelBackend

PARTS = ("flat", "live", "needed", "read", "tools", "trace", "cost", "ablations", "long")


async def part(name: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure one part, print its table, and return its rows."""

    @asynccontextmanager
    async def serve() -> AsyncIterator[ModelBackend]:
        backend = open_backend(BackendSettings(kind="embedded", path=given.model, threads=1))
        try:
            await backend.describe()
            yield backend
        finally:
            await backend.close()

    print(f"\n## {name}\n")
    match name:
        case "flat":
            return await flat(serve)
        case "live":
            jobs = {
                2: 20 * given.jobs,
                4: 10 * given.jobs,
                10: 8 * given.jobs,
                50: 2 * given.jobs,
                200: given.jobs,
            }
            return await live(serve, depths=tuple(jobs), jobs=jobs)
        case "needed":
            return await needed(serve, chains=given.chains)
        case "cost":
            return cost()
        case "trace":
            return traced(given.data)
        case "read":
            return await reading(serve, letters=given.letters)
        case "tools":
            return await many_tools(serve, jobs=10 * given.jobs)
        case "long":
            return await long_results(serve, episodes=given.episodes, depths=DEPTHS)
        case _:
            return await ablations(serve, episodes=given.episodes)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw success, tokens evaluated again and wall time against depth, one line a way."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(10, 3.2))
    depths = sorted({row["depth"] for row in rows})
    for axis, (key, title) in zip(
        axes,
        (("share", "right calls"), ("evaluated", "prompt tokens evaluated a step"), ("ms", "ms a step")),
        strict=True,
    ):
        for way in dict.fromkeys(row["way"] for row in rows):
            cells = [row | {"share": row["right"] / row["steps"]} for row in rows if row["way"] == way]
            axis.plot(depths, [cell[key] for cell in cells], marker="o", label=way)
        axis.set_xscale("log")
        axis.set_xticks(depths, [str(depth) for depth in depths])
        axis.set_ylim(bottom=0)
        axis.set_xlabel("steps in the job")
        axis.set_title(title, fontsize=9)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


async def measure(given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Measure the parts that were asked for."""
    return {name: await part(name, given) for name in given.parts or PARTS}


def main() -> None:
    """Measure, print the tables, and write the results if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all if none is named"
    )
    parser.add_argument("--model", default=str(nano_path()), help="a GGUF file; the model in the package")
    parser.add_argument("--jobs", type=int, default=2, help="jobs of 200 steps; more of fewer steps")
    parser.add_argument("--chains", type=int, default=6, help="chains a cell of needed")
    parser.add_argument("--letters", type=int, default=100, help="letters a row of read")
    parser.add_argument("--episodes", type=int, default=20, help="jobs a cell of ablations")
    parser.add_argument("--data", default=os.environ.get("NEBULUS_DATA", ""), help="folder of recorded runs")
    parser.add_argument("--write", type=Path, help="write memory.json and memory.svg into this folder")
    given = parser.parse_args()
    if unknown := [name for name in given.parts if name not in PARTS]:
        parser.error(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    results = asyncio.run(measure(given))
    if given.write:
        given.write.mkdir(parents=True, exist_ok=True)
        encoded = msgspec.json.format(msgspec.json.encode(results), indent=1)
        (given.write / "memory.json").write_bytes(encoded)
        if "live" in results:
            plot(results["live"], given.write / "memory.svg")


if __name__ == "__main__":
    main()
