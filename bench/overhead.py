"""What the runtime itself costs: CPU and bytes per step, durable writes, import, install.

A scripted model server of no latency answers each request with one call. Beside Nebulus runs a bare
loop over aiohttp, which sends the whole transcript each time and validates nothing. Each arm runs in a
fresh process; the figure is the least of several rounds, since a shared machine only ever adds. A step
lasts from one run of the tool to the next; what comes before the first is the start, reported apart.

    python bench/overhead.py [--rounds 5] [--json]
    python bench/overhead.py --install      # builds a virtual environment: slower
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DEPTHS = (10, 50, 200)
ARMS = ("bare", "memory", "sqlite")
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


def measure_arm(name: str, depth: int, rounds: int) -> dict[str, float]:
    """Return the least CPU and wall time per step over `rounds`, and the bytes of each request."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        with Server() as server, tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--arm", name, server.url, str(depth), folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
            figures = json.loads(done.stdout.splitlines()[-1])
            with urllib_json(f"{server.url}/stats") as answer:
                sizes = json.load(answer)["sizes"][-depth:]
        figures |= {"first_bytes": sizes[0], "last_bytes": sizes[-1], "sent_bytes": sum(sizes)}
        for key, value in figures.items():
            best[key] = min(best.get(key, value), value)
    return best


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


def measure_import() -> dict[str, float]:
    """Return the least of 7 start-ups: import time, resident memory, and the time of --help."""
    code = (
        "import time; t = time.perf_counter(); import nebulus; print(1e3 * (time.perf_counter() - t));"
        "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    imports, memory, helps = [], [], []
    for _ in range(7):
        out = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
        imports.append(float(out[0]))
        memory.append(float(out[1]))
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "nebulus", "--help"], check=True, capture_output=True)
        helps.append(1e3 * (time.perf_counter() - began))
    return {"import_ms": min(imports), "import_rss_mb": min(memory), "help_ms": min(helps)}


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


def report(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| arm | depth | CPU ms/step | × bare | wall ms/step | start, CPU ms | last request, bytes | bytes in all |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for depth in DEPTHS:
        floor = results["arms"]["bare"][str(depth)]["cpu_ms"]
        for name in ARMS:
            row = results["arms"][name][str(depth)]
            lines.append(
                f"| {name} | {depth} | {row['cpu_ms']:.2f} | {row['cpu_ms'] / floor:.1f} | {row['wall_ms']:.2f} "
                f"| {row['start_cpu_ms']:.0f} | {row['last_bytes']:,.0f} | {row['sent_bytes']:,.0f} |"
            )
    durable = results["arms"]["sqlite"][str(DEPTHS[-1])]["durable_bytes"]
    lines += ["", f"Durable bytes of a {DEPTHS[-1]}-step run: {durable:,.0f}."]
    lines += [f"{key}: {value:.1f}" for key, value in results["start"].items()]
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
    parser.add_argument("--arm", nargs=4, metavar=("NAME", "URL", "DEPTH", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.arm:
        name, url, depth, folder = given.arm
        arm(name, url, depth=int(depth), folder=folder)
        return
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    results: dict[str, Any] = {
        "arms": {
            name: {str(depth): measure_arm(name, depth, given.rounds) for depth in DEPTHS} for name in ARMS
        },
        "start": measure_import(),
    }
    if given.install:
        results["install"] = measure_install()
    print(json.dumps(results, indent=1) if given.json else report(results))


if __name__ == "__main__":
    main()
