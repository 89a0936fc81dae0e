"""A model server over HTTP that does just what a step says, in a thread of its own."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nebulus.core.answers import RawCall
from nebulus.testing.server import ScriptedServer
from nebulus.testing.server_faces import Reply

Answer = Callable[[dict[str, Any]], Reply]
NOW = re.compile(r"Now: step \d+\. Use (\w+)(?: with (.*))?\Z", re.DOTALL)
ARGUMENT = re.compile(r'(\w+) = (?:"([^"]*)"|([^,]*))(?:, |\Z)')


def literal(body: dict[str, Any]) -> Reply:
    """Return the call that the step spells: `Use TOOL with a = b, c = "d e"`."""
    said = NOW.search(body["messages"][-1]["content"])
    assert said is not None, body["messages"][-1]["content"]
    arguments = {match[1]: match[2] or match[3] or "" for match in ARGUMENT.finditer(said[2] or "")}
    return Reply(calls=(RawCall(said[1], json.dumps(arguments), "call_1"),))


def mute(body: dict[str, Any]) -> Reply:
    """Return words where a call is wanted."""
    return Reply(text="I am not sure what to do here.")


@contextmanager
def serving(answer: Answer = literal) -> Iterator[str]:
    """Serve, and give the spelling of the model."""
    server, loop = ScriptedServer(answer, flavour="vllm", window_tokens=16_384), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    try:
        yield f"{server.url}#scripted-model"
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
