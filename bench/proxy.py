"""What the proxy adds: latency, CPU time for a request, and the gate on answers that nobody here wrote.

    python bench/proxy.py [--rounds N] [--data FOLDER] [--forge PYTHON] [--json]

Latency is measured at a concurrency of one, each request to each server in turn, in front of an upstream that costs
nothing: `added` is over that upstream itself. The floor is a passthrough on the same HTTP library that looks at
nothing; with --forge, an interpreter that has forge-guardrails, its proxy is measured in the same rounds. CPU time is
that of the server's process. With --data or NEBULUS_DATA, every recorded answer is passed through
the gate in pieces of five characters: what is released early, and whether what a client gets in the end is what the
reader found; and recorded runs are folded: which of the values that the next call needs are still shown; and the calls are counted
that would be stopped as a loop.
"""

import argparse
import asyncio
import gzip
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp

from bench.proxy_parts import folding, loops
from nebulus.calls import read, tool_specs
from nebulus.core.answers import ModelAnswer
from nebulus.core.errors import ToolDefinitionError
from nebulus.proxy.gate import TextGate, unsent

ROOT = Path(__file__).parents[1]
PIECE_CHARS = 5
SCHEMA = {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}


def tool(name: str, padding: int = 0) -> dict:
    """A tool whose description has a size."""
    function = {"name": name, "description": "Look up a key. " + "x" * padding, "parameters": SCHEMA}
    return {"type": "function", "function": function}


def large_history() -> list[dict]:
    """Some 33 KB: 50 turns, with a call and its result each."""
    messages: list[dict] = [{"role": "system", "content": "You are an agent. " * 40}]
    for n in range(50):
        call = {
            "id": f"c{n}",
            "type": "function",
            "function": {"name": "lookup", "arguments": f'{{"key": "{n}"}}'},
        }
        messages += [
            {"role": "user", "content": f"Look up number {n}, please."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": f"result {n}: " + "word " * 62},
        ]
    return messages


QUESTION = [{"role": "user", "content": "Look up k1."}]
FIVE = [tool("lookup"), *(tool(f"other_{n}", 200) for n in range(4))]
CASES: dict[str, dict] = {
    "small": {"model": "scripted", "messages": QUESTION, "tools": [tool("lookup")]},
    "33 KB, 5 tools": {"model": "scripted", "messages": large_history(), "tools": FIVE},
    "stream of 100": {"model": "scripted", "messages": QUESTION, "tools": [tool("lookup")], "stream": True},
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def process(*arguments: str, python: str = sys.executable) -> Iterator[subprocess.Popen]:
    """Run a program of an interpreter until the block ends."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    quiet = subprocess.DEVNULL
    running = subprocess.Popen([python, *arguments], env=environment, stdout=quiet, stderr=quiet)
    try:
        yield running
    finally:
        running.terminate()
        running.wait()


def cpu_s(running: subprocess.Popen) -> float:
    """The CPU time of a process so far."""
    fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(running: subprocess.Popen) -> float:
    """The resident memory of a process."""
    return int(Path(f"/proc/{running.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def ready(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until a server answers."""
    for _ in range(600):
        try:
            async with session.get(f"{url}/v1/models"):
                return
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
    raise TimeoutError(url)


async def ask(session: aiohttp.ClientSession, url: str, body: bytes) -> float:
    """The seconds that one request takes."""
    began = time.perf_counter()
    async with session.post(f"{url}/v1/chat/completions", data=body) as response:
        answer = await response.read()
        if response.status != 200:
            raise RuntimeError(answer[:400].decode())
    return time.perf_counter() - began


async def latencies(urls: dict[str, str], case: dict, rounds: int) -> dict[str, list[float]]:
    """The seconds of each request to each server, one server after the other in each round."""
    body = json.dumps(case).encode()
    seen: dict[str, list[float]] = {name: [] for name in urls}
    async with aiohttp.ClientSession() as session:
        for _ in range(20):
            for url in urls.values():
                await ask(session, url, body)
        for _ in range(rounds):
            for name, url in urls.items():
                seen[name].append(await ask(session, url, body))
    return seen


async def cpu_of(url: str, running: subprocess.Popen, case: dict, *, requests: int) -> tuple[float, float]:
    """The CPU seconds of the server for a request, and requests a second, at a concurrency of 16."""
    body = json.dumps(case).encode()
    left = iter(range(requests))
    async with aiohttp.ClientSession() as session:

        async def client() -> None:
            for _ in left:
                try:
                    await ask(session, url, body)
                except (
                    aiohttp.ClientError
                ):  # a server that resets connections is asked again, and pays for it in time
                    await ask(session, url, body)

        before, began = cpu_s(running), time.perf_counter()
        await asyncio.gather(*(client() for _ in range(16)))
        took = time.perf_counter() - began
    return (cpu_s(running) - before) / requests, requests / took


async def measure(rounds: int, forge: str) -> dict:
    """All figures of the servers."""
    upstream, floor, ours, theirs = (free_port() for _ in range(4))
    url = f"http://127.0.0.1:{upstream}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = f'[tiers.scripted]\nmodel = "openai+{url}"\nwindow_tokens = 131072\n'
        (folder / "nebulus.toml").write_text(settings)
        stack.enter_context(process("-m", "bench.proxy_parts.upstream", str(upstream)))
        async with aiohttp.ClientSession() as session:
            await ready(session, url)
        serve = ("serve", "--port", str(ours), "--config", str(folder / "nebulus.toml"))
        running = {
            "passthrough": stack.enter_context(
                process("-m", "bench.proxy_parts.passthrough", str(floor), url)
            ),
            "nebulus serve": stack.enter_context(process("-m", "nebulus", *serve)),
        }
        urls = {
            "direct": url,
            "passthrough": f"http://127.0.0.1:{floor}",
            "nebulus serve": f"http://127.0.0.1:{ours}",
        }
        if forge:
            known = (
                "--backend-url",
                url,
                "--backend",
                "openai",
                "--model",
                "scripted",
                "--port",
                str(theirs),
            )
            running["forge"] = stack.enter_context(process("-m", "forge.proxy", *known, python=forge))
            urls["forge"] = f"http://127.0.0.1:{theirs}"
        async with aiohttp.ClientSession() as session:
            for each in urls.values():
                await ready(session, each)
        found: dict = {}
        for name, case in CASES.items():
            seen = await latencies(urls, case, rounds)
            found[name] = {"bytes": len(json.dumps(case)), **_latency_rows(seen)}
            for server, its in running.items():
                cpu, rate = await cpu_of(urls[server], its, case, requests=rounds)
                found[name][server] |= {"cpu_us": cpu * 1e6, "per_core": 1 / cpu, "rps_16": rate}
        found["resident_mb"] = {server: resident_mb(its) for server, its in running.items()}
    return found


def _latency_rows(seen: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    base = statistics.median(seen["direct"])
    rows = {}
    for server, values in seen.items():
        ordered = sorted(values)
        p99 = ordered[int(len(ordered) * 0.99)]
        rows[server] = {
            "p50_us": statistics.median(values) * 1e6,
            "added_p50_us": (statistics.median(values) - base) * 1e6,
            "added_p99_us": (p99 - base) * 1e6,
        }
    return rows


def gate(folder: Path) -> dict:
    """What the gate does with recorded answers that are text."""
    counts = {"answers": 0, "calls": 0, "different": 0, "released": 0, "words": 0, "seconds": 0.0}
    for split in ("dev", "dev2"):
        path = folder / "bfcl_calls" / f"{split}.jsonl.gz"
        if path.is_file():
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    _gate_one(json.loads(line), counts)
    return counts


def _gate_one(record: dict, counts: dict) -> None:
    if record["channel"] == "fc":
        return
    tools, text = tool_specs(record["tools"]), record["raw"]
    try:
        reading = read(ModelAnswer(text=text), tools)
    except ToolDefinitionError:  # the recorded schema is broken: nothing can be read by it
        return
    passed = TextGate(tool.name for tool in tools)
    began = time.perf_counter()
    for at in range(0, len(text), PIECE_CHARS):
        passed.feed(text[at : at + PIECE_CHARS])
    counts["seconds"] += time.perf_counter() - began
    counts["answers"] += 1
    if reading.finding is not None:
        return
    sent = passed.released
    rest = unsent(sent, reading.text, written="" if reading.calls else text)
    counts["different"] += (sent + rest).strip() not in (reading.text.strip(), text.strip())
    if reading.calls:
        counts["calls"] += 1
    else:
        counts["words"] += len(reading.text)
        counts["released"] += len(sent)


def show(found: dict) -> None:
    """Print the tables."""
    for name, case in found["servers"].items():
        if name == "resident_mb":
            continue
        print(f"\n{name} ({case['bytes']:,} bytes)")
        print(
            f"  {'':<14} {'p50 µs':>8} {'added p50':>10} {'added p99':>10} {'CPU µs':>8} {'per core':>9} {'rps c=16':>9}"
        )
        for server in filter(case.get, ("direct", "passthrough", "nebulus serve", "forge")):
            row = case[server]
            figures = f"{row['p50_us']:8.0f} {row['added_p50_us']:10.0f} {row['added_p99_us']:10.0f}"
            more = (
                f" {row['cpu_us']:8.0f} {row['per_core']:9.0f} {row['rps_16']:9.0f}"
                if "cpu_us" in row
                else ""
            )
            print(f"  {server:<14} {figures}{more}")
    memory = ", ".join(f"{name} {mb:.0f} MB" for name, mb in found["servers"]["resident_mb"].items())
    print(f"\nresident afterwards: {memory}")
    if "gate" in found:
        gated = found["gate"]
        share = gated["released"] / max(1, gated["words"])
        print(
            f"\ngate: {gated['answers']} recorded answers, {gated['calls']} with calls; {gated['different']} come out "
            f"different; of the text without calls {share:.1%} is released before its end; "
            f"{gated['seconds'] / max(1, gated['answers']) * 1e3:.2f} ms an answer"
        )


def show_fold(found: dict) -> None:
    """Print what folding keeps."""
    print("\nfold: values of the next call that are still shown, of those in the whole history")
    for room in map(str, folding.ROOMS_BYTES):
        row = found[room]
        folded, window = (row[name] / max(1, row["values"]) for name in ("folded", "window"))
        counts = f"{row['calls']} calls, {row['values']} values"
        print(f"  {int(room):>6,} bytes: {counts}; folded {folded:.1%}, newest rounds alone {window:.1%}")
    print(f"  200 messages of 3 KB are folded in {found['ms_for_200_messages_of_3_kb']:.1f} ms")


def main() -> None:
    """Measure, and print or write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--data", default=os.environ.get("NEBULUS_DATA"), help="folder of recorded answers")
    parser.add_argument("--forge", default="", help="an interpreter with forge-guardrails")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict = {"servers": asyncio.run(measure(options.rounds, options.forge))}
    if options.data and (Path(options.data) / "bfcl_calls").is_dir():
        found["gate"] = gate(Path(options.data))
        found["fold"] = folding.measure(Path(options.data))
        found["loops"] = loops.measure(Path(options.data))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
        if "fold" in found:
            show_fold(found["fold"])
            print("\nloops: " + "; ".join(f"runs that {how}: {row}" for how, row in found["loops"].items()))


if __name__ == "__main__":
    main()
