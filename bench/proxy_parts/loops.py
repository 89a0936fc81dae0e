"""How often recorded calls are stopped as a loop, in runs that succeeded and in the others. None were made here."""

import json
from collections.abc import Iterator
from pathlib import Path

from bench.proxy_parts.folding import agentdojo, gpt_oss
from nebulus.core.answers import Message, RawCall
from nebulus.core.findings import Call
from nebulus.proxy.asked import ClientRequest
from nebulus.proxy.guarding import CallGuard


def measure(folder: Path) -> dict:
    """Calls, stopped calls, and runs with one, by whether the run succeeded."""
    found = {}
    for is_right in (True, False):
        counts = {"calls": 0, "stopped": 0, "runs": 0, "runs_stopped": 0}
        for source in (agentdojo, gpt_oss):
            for messages in source(folder, is_right=is_right):
                _measure_run(messages, counts)
        found["succeeded" if is_right else "failed"] = counts
    return found


def _measure_run(messages: list[Message], counts: dict) -> None:
    guard, stopped = CallGuard(), 0
    for before, raw in _calls(messages):
        call = _call(raw)
        asked = ClientRequest(messages=tuple(before))
        counts["calls"] += 1
        stopped += guard.finding((call,), asked, tier="") is not None
    counts["runs"] += 1
    counts["stopped"] += stopped
    counts["runs_stopped"] += stopped > 0


def _calls(messages: list[Message]) -> Iterator[tuple[list[Message], RawCall]]:
    for at, message in enumerate(messages):
        for call in message.calls:
            yield messages[:at], call


def _call(raw: RawCall) -> Call:
    try:
        arguments = json.loads(raw.arguments)
    except ValueError:  # the model wrote no JSON: compared as it is
        arguments = {"unreadable": raw.arguments}
    return Call(raw.name, arguments if isinstance(arguments, dict) else {"value": arguments})
