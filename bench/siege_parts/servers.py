"""How much memory a hostile model server takes from us: answers without an end, each in a process of its own.

Run it by itself: `python -m bench.siege_parts.servers`. The peak is that of the client alone, above what it
used when it had connected; the server is in this process.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendKind, BackendSettings
from nebulus.core.answers import Message, ModelRequest
from nebulus.core.errors import BackendError
from nebulus.testing.floods import Flood, FloodKind
from nebulus.testing.server import Flavour, ScriptedServer
from nebulus.testing.server_faces import Reply

AIM_MB = 64
FLOOD_BYTES = 1 << 30
MB = 1e6

SPEAKERS: dict[str, tuple[BackendKind, Flavour]] = {
    "llama.cpp": ("llama.cpp", "llama.cpp"),
    "openai": ("openai", "openai"),
    "Ollama": ("openai", "ollama"),
    "Anthropic": ("anthropic", "openai"),
}
FLOODS: tuple[FloodKind, ...] = (
    "gzip bomb", "body", "values", "error", "events", "line", "comments", "calls",
)  # fmt: skip
WHOLE: frozenset[FloodKind] = frozenset({"gzip bomb", "body", "values", "error"})


def measure() -> list[dict[str, Any]]:
    """Return a row for each protocol and each kind of flood: how it ended, and the peak in MB above idle."""
    return asyncio.run(_measure())


async def _measure() -> list[dict[str, Any]]:
    rows = []
    for speaker, (_, flavour) in SPEAKERS.items():
        for kind in FLOODS:
            replies = [Reply(flood=Flood(kind, most_bytes=FLOOD_BYTES))]
            async with ScriptedServer(replies, flavour=flavour) as server:
                row = await _in_a_child(speaker, kind, server.url)
            rows.append({"server": speaker, "flood": kind, **row})
    return rows


async def _in_a_child(speaker: str, kind: FloodKind, url: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.siege_parts.servers", speaker, kind, url]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    row: dict[str, Any] = msgspec.json.decode(out)
    return row


async def _client(speaker: str, kind: FloodKind, url: str) -> dict[str, Any]:
    backend = open_backend(BackendSettings(kind=SPEAKERS[speaker][0], url=url, window_tokens=4096))
    await backend.describe()
    request = ModelRequest(messages=(Message("user", "Say something."),), max_tokens=50)
    _forget_peak()
    idle_kb = _peak_kb()
    try:
        await backend.answer(request, None if kind in WHOLE else lambda piece: None)
        ended = "an answer"
    except BackendError as error:
        ended = error.failure.kind.value
    peak_kb = _peak_kb()
    await backend.close()
    return {"ended": ended, "peak_mb": round((peak_kb - idle_kb) * 1024 / MB, 1)}


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak_kb() -> int:
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| server | answer without an end | ended as | peak above idle, MB |", "|---|---|---|--:|"]
    lines += [f"| {row['server']} | {row['flood']} | {row['ended']} | {row['peak_mb']} |" for row in rows]
    worst = max(row["peak_mb"] for row in rows)
    return "\n".join([*lines, "", f"Largest: {worst} MB; the aim is at most {AIM_MB} MB."])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        own, kind, address = sys.argv[1:4]
        found = asyncio.run(_client(own, msgspec.convert(kind, FloodKind), address))
        sys.stdout.buffer.write(msgspec.json.encode(found))
    else:
        print(table(measure()))
