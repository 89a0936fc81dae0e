"""What the runtime itself costs: CPU and bytes per step, durable writes, replay, overlap, handles, import, install.

A scripted model server of no latency answers each request with one call. A bare loop over aiohttp, which sends the
whole transcript each time and validates nothing, runs in the same rounds for comparison. Each arm runs in a fresh
process; the figure is the least of several rounds, since a shared machine only ever adds. A step lasts from one run of
the tool to the next; what comes before the first is the start, reported apart. Figures of other machines differ by
a factor of three: compare the ratios.

    python bench/overhead.py [--rounds 5] [--json]
    python bench/overhead.py --install      # builds a virtual environment: slower
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DEPTHS = (10, 200, 1000)
ARMS = ("bare", "memory", "sqlite")
BARE_DEPTHS = (10, 200)
"""The bare loop sends its whole transcript at each step: at depth 1,000 it measures little else."""
SHALLOW_TIMES = 5
"""How many times as often the least depth is measured."""
READS, READ_S = 8, 0.1
HANDLES = 1000
TOOL = {
    "type": "object",
    "properties": {"key": {"type": "string"}},
    "required": ["key"],
    "additionalProperties": False,
}
TEXT = "the value is 42, and some more words make the result look like one"


class Stamps:
    """CPU and wall time at each run of the tool, in seconds."""

    def __init__(self) -> None:
        self.cpu, self.wall = [time.process_time()], [time.perf_counter()]

    def lookup(self) -> str:
        """Stamp, and give the tool's result."""
        self.cpu.append(time.process_time())
        self.wall.append(time.perf_counter())
        return TEXT

    def figures(self) -> dict[str, float]:
        """Return milliseconds: of a step on average, and of the start."""
        steps = len(self.cpu) - 2
        return {
            "cpu_ms": 1e3 * (self.cpu[-1] - self.cpu[1]) / steps,
            "wall_ms": 1e3 * (self.wall[-1] - self.wall[1]) / steps,
            "start_cpu_ms": 1e3 * (self.cpu[1] - self.cpu[0]),
        }


async def bare(url: str, depth: int, stamps: Stamps) -> None:
    """Do `depth` calls the way a small agent loop does: one growing list of messages."""
    import aiohttp

    tools = [
        {"type": "function", "function": {"name": "lookup", "description": "Look up", "parameters": TOOL}}
    ]
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"Look up {depth} keys."}]
    choice = {"type": "function", "function": {"name": "lookup"}}
    async with aiohttp.ClientSession() as session:
        for _ in range(depth):
            body = {"model": "m", "messages": messages, "tools": tools, "tool_choice": choice}
            async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                message = (await response.json())["choices"][0]["message"]
            call = message["tool_calls"][0]
            json.loads(call["function"]["arguments"])
            messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": stamps.lookup()}]


async def ours(url: str, depth: int, *, engine: str, stamps: Stamps) -> None:
    """Do the same as a runbook of `depth` steps, everything on."""
    from nebulus import Agent, tool
    from nebulus.core.outcome import Done

    @tool(effect="read")
    async def lookup(key: str) -> str:
        """Look up a key."""
        return stamps.lookup()

    agent = Agent(tools=[lookup], model=f"{url}#scripted", window_tokens=8192, engine=engine)
    steps = "\n".join(f"{number}. Use lookup with key = k1" for number in range(1, depth + 1))
    outcome = await agent.run_async(f"Look up {depth} keys.\n\n{steps}")
    assert isinstance(outcome, Done), outcome


def arm(name: str, url: str, *, depth: int, folder: str) -> None:
    """Run one arm in this process and print its figures as JSON. A short run before pays for the imports."""

    def work(count: int, stamps: Stamps) -> Any:
        if name == "bare":
            return bare(url, count, stamps)
        address = "memory" if name == "memory" else f"{folder}/{count}.sqlite"
        return ours(url, count, engine=address, stamps=stamps)

    asyncio.run(work(3, Stamps()))
    with urllib_json(f"{url}/reset"):
        pass
    stamps = Stamps()
    asyncio.run(work(depth, stamps))
    durable = sum(path.stat().st_size for path in Path(folder).glob(f"{depth}.sqlite*"))
    print(json.dumps({**stamps.figures(), "durable_bytes": durable}))


def urllib_json(url: str) -> Any:
    """Open `url`."""
    import urllib.request

    return urllib.request.urlopen(url, timeout=10)


def measure_arms(rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the least CPU and wall time per step, and the bytes of each request, by arm and depth.

    The arms take turns, so that a busy minute slows all of them; the few steps of the least depth are measured more often.
    """
    best: dict[str, dict[str, dict[str, float]]] = {name: {} for name in ARMS}
    for number in range(SHALLOW_TIMES * rounds):
        for depth in DEPTHS if number < rounds else DEPTHS[:1]:
            for name in ARMS if depth in BARE_DEPTHS else ARMS[1:]:
                known = best[name].setdefault(str(depth), {})
                for key, value in measure_arm(name, depth).items():
                    known[key] = min(known.get(key, value), value)
    return best


def measure_arm(name: str, depth: int) -> dict[str, float]:
    """Return CPU and wall time per step of one run, and the bytes of each request."""
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--arm", name, server.url, str(depth), folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        with urllib_json(f"{server.url}/stats") as answer:
            sizes = json.load(answer)["sizes"][-depth:]
    return figures | {"first_bytes": sizes[0], "last_bytes": sizes[-1], "sent_bytes": sum(sizes)}


class Server:
    """The scripted server in a process of its own."""

    def __enter__(self) -> "Server":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen([sys.executable, ROOT / "bench" / "zero_server.py", str(port)])
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the scripted server did not start")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


async def replay_cost(steps: int) -> dict[str, float]:
    """Return the CPU of a step in memory without a server, and of folding one recorded event, in microseconds."""
    from nebulus import Agent, tool
    from nebulus.core.journal import events_of
    from nebulus.loop.transitions import replay
    from nebulus.testing.backends import ScriptedBackend, calls

    stamps = Stamps()

    @tool(effect="read")
    async def lookup(key: str) -> str:
        """Look up a key."""
        return stamps.lookup()

    text = "\n".join(f"{number}. Use lookup with key = k1" for number in range(1, steps + 1))
    backend = ScriptedBackend(lambda _: calls("lookup", key="k1"))
    async with Agent(tools=[lookup], model=backend) as agent:
        handle = await agent.start(f"Look up keys.\n\n{text}", run_id="r")
        await handle.result()
        batches = await agent.journal("r")
    events = list(events_of(batches))
    best = 1e9
    for _ in range(5):
        began = time.process_time()
        replay(events)
        best = min(best, time.process_time() - began)
    return {"step_us": 1e3 * stamps.figures()["cpu_ms"], "replayed_event_us": 1e6 * best / len(events)}


async def overlap() -> dict[str, float]:
    """Return the wall time of one answer with several reads that each take a while, in milliseconds."""
    from nebulus import Agent, tool
    from nebulus.core.answers import FinishReason, ModelAnswer, RawCall
    from nebulus.testing.backends import ScriptedBackend, says

    began = ended = 0.0

    @tool(effect="read")
    async def lookup(key: str) -> str:
        """Look up a key."""
        nonlocal began, ended
        began = began or time.perf_counter()
        await asyncio.sleep(READ_S)
        ended = time.perf_counter()
        return f"value of {key}"

    reads = tuple(RawCall("lookup", json.dumps({"key": f"k{number}"})) for number in range(READS))
    answer = ModelAnswer(calls=reads, finish=FinishReason.CALLS)
    agent = Agent(tools=[lookup], model=ScriptedBackend([answer, says("All keys were read.")]))
    await agent.run_async("Look up keys.\n\n1. Read all the keys")
    return {"overlapping_reads_ms": 1e3 * (ended - began)}


async def idle_handles() -> dict[str, float]:
    """Return the memory of one run that waits for a person, with many of them open, in kilobytes."""
    from nebulus import Agent, tool
    from nebulus.testing.backends import ScriptedBackend, calls

    @tool(effect="irreversible")
    async def drop(key: str) -> str:
        """Drop a key."""
        return "dropped"

    class Nobody:
        """A person who never answers."""

        async def ask(self, question: object) -> None:
            """Wait for ever."""
            await asyncio.Event().wait()

    backend = ScriptedBackend(lambda _: calls("drop", key="k1"))
    async with Agent(tools=[drop], model=backend, person=Nobody()) as agent:
        handles = [await agent.start("Drop.\n\n1. Use drop with key = k1") for _ in range(20)]
        await asyncio.sleep(0.5)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        handles += [await agent.start("Drop.\n\n1. Use drop with key = k1") for _ in range(HANDLES)]
        while not all(handle.questions() for handle in handles):  # noqa: ASYNC110 - a look at many runs
            await asyncio.sleep(0.05)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"idle_handle_kb": (after - before) / HANDLES}


def in_process(name: str) -> dict[str, float]:
    """Run one of the measurements that need no server, in this process."""
    match name:
        case "replay":
            return asyncio.run(replay_cost(200))
        case "overlap":
            return asyncio.run(overlap())
        case _:
            return asyncio.run(idle_handles())


def measure_alone(name: str, rounds: int) -> dict[str, float]:
    """Return the least figures of a measurement over `rounds`, each in a fresh process."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        command = [sys.executable, __file__, "--alone", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        for key, value in json.loads(done.stdout.splitlines()[-1]).items():
            best[key] = min(best.get(key, value), value)
    return best


def children_cpu_s() -> float:
    """Return the CPU time of the processes that this one started and that ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_import() -> dict[str, float]:
    """Return the least CPU of 7 start-ups in turn: importing aiohttp, importing nebulus, and all of --help."""
    code = "import time; t = time.process_time(); import {}; print(1e3 * (time.process_time() - t))"
    best: dict[str, float] = {}
    for _ in range(7):
        for key, command in {
            "import_aiohttp_ms": ["-c", code.format("aiohttp")],
            "import_ms": ["-c", code.format("nebulus")],
            "python_ms": ["-c", "pass"],
            "help_ms": ["-m", "nebulus", "--help"],
        }.items():
            began = children_cpu_s()
            done = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)
            took = 1e3 * (children_cpu_s() - began)
            value = float(done.stdout) if key.startswith("import") else took
            best[key] = min(best.get(key, value), value)
    return best


def measure_install() -> dict[str, float]:
    """Return what a default install adds to an empty virtual environment: megabytes and packages."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        site = next(Path(folder, "lib").glob("python3*/site-packages"))
        python = Path(folder, "bin", "python")
        before = {path.name for path in site.glob("*.dist-info")}
        size = _size(site)
        subprocess.run([python, "-m", "pip", "install", "-q", str(ROOT)], check=True)
        packages = {path.name for path in site.glob("*.dist-info")} - before
        return {"install_mb": (_size(site) - size) / 1e6, "packages": float(len(packages))}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """Return what the bounds are about: ratios within one run."""
    memory, sqlite = results["arms"]["memory"], results["arms"]["sqlite"]
    shallow, deep, start = str(DEPTHS[0]), str(DEPTHS[-1]), results["start"]
    return {
        "memory / bare, CPU at depth 10": memory[shallow]["cpu_ms"]
        / results["arms"]["bare"][shallow]["cpu_ms"],
        "memory, CPU at depth 1,000 / depth 10": memory[deep]["cpu_ms"] / memory[shallow]["cpu_ms"],
        "sqlite / memory, CPU at depth 10": sqlite[shallow]["cpu_ms"] / memory[shallow]["cpu_ms"],
        "a replayed event / a step, CPU": results["alone"]["replayed_event_us"] / results["alone"]["step_us"],
        "import nebulus / import aiohttp": start["import_ms"] / start["import_aiohttp_ms"],
        "nebulus --help / import aiohttp": start["help_ms"] / start["import_aiohttp_ms"],
    }


def report(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| arm | depth | CPU ms/step | × bare | wall ms/step | start, CPU ms | last request, bytes | bytes in all |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for depth in DEPTHS:
        for name in ARMS:
            if str(depth) not in results["arms"][name]:
                continue
            row = results["arms"][name][str(depth)]
            floor = results["arms"]["bare"].get(str(depth), {}).get("cpu_ms", 0.0)
            ratio = f"{row['cpu_ms'] / floor:.1f}" if floor else ""
            lines.append(
                f"| {name} | {depth} | {row['cpu_ms']:.2f} | {ratio} | {row['wall_ms']:.2f} "
                f"| {row['start_cpu_ms']:.0f} | {row['last_bytes']:,.0f} | {row['sent_bytes']:,.0f} |"
            )
    durable = results["arms"]["sqlite"][str(DEPTHS[-1])]["durable_bytes"]
    lines += ["", f"Durable bytes of a {DEPTHS[-1]}-step run: {durable:,.0f}.", ""]
    lines += [f"{name}: {value:.2f}" for name, value in ratios(results).items()]
    lines += [f"{key}: {value:.1f}" for key, value in {**results["alone"], **results["start"]}.items()]
    lines += [f"{key}: {value:.1f}" for key, value in results.get("install", {}).items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--install", action="store_true", help="measure a default install as well")
    parser.add_argument("--alone", choices=("replay", "overlap", "idle"), help=argparse.SUPPRESS)
    parser.add_argument("--arm", nargs=4, metavar=("NAME", "URL", "DEPTH", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.arm:
        name, url, depth, folder = given.arm
        arm(name, url, depth=int(depth), folder=folder)
        return
    if given.alone:
        print(json.dumps(in_process(given.alone)))
        return
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    os.environ.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # or each start-up compiles what an installation has compiled
    results: dict[str, Any] = {
        "arms": measure_arms(given.rounds),
        "alone": {
            key: value
            for name in ("replay", "overlap", "idle")
            for key, value in measure_alone(name, given.rounds).items()
        },
        "start": measure_import(),
    }
    if given.install:
        results["install"] = measure_install()
    print(json.dumps(results, indent=1) if given.json else report(results))


if __name__ == "__main__":
    main()
