"""What each part of memory is worth on the nano model: jobs by the runtime, with one part taken out of every prompt.

The part is cut out of the request on its way to the model, so that the runtime has no switch for it. Tools and
values are those that training never saw; wordings are its own, so that the depth decides.
"""

import argparse
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from bench import ceiling
from bench.memory_course import Serve
from nebulus.core.answers import Message, ModelAnswer, ModelRequest
from nebulus.ports.backend import BackendInfo, ModelBackend, OnText, TokenCount

DEPTHS = (4, 16)


def without(title: str) -> Callable[[ModelRequest], ModelRequest]:
    """Return a cut that takes the section called `title` out of the user's message."""

    def cut(request: ModelRequest) -> ModelRequest:
        system, user = request.messages
        kept, is_inside = [], False
        for line in user.content.split("\n"):
            is_inside = line == title or (is_inside and line.startswith("- "))
            if not is_inside:
                kept.append(line)
        return replace(request, messages=(system, replace(user, content="\n".join(kept))))

    return cut


def without_last(request: ModelRequest) -> ModelRequest:
    """Take the last observation out."""
    system, user = request.messages
    kept = [line for line in user.content.split("\n") if not line.startswith("Last: ")]
    return replace(request, messages=(system, replace(user, content="\n".join(kept))))


def volatile_first(request: ModelRequest) -> ModelRequest:
    """Put what changes each step before what never does: the step counter is in the first line."""
    system, user = request.messages
    lines = user.content.split("\n")
    done = next((line for line in lines if line.startswith("Done: ")), "")
    rest = "\n".join(line for line in lines if line != done)
    return replace(
        request, messages=(Message("system", f"{done}\n{system.content}"), replace(user, content=rest))
    )


CUTS: Mapping[str, Callable[[ModelRequest], ModelRequest]] = MappingProxyType(
    {
        "whole": lambda request: request,
        "without facts": without("Facts:"),
        "without lessons": without("Failed before:"),
        "without the last result": without_last,
        "without the order": volatile_first,
    }
)


class CutBackend:
    """A backend whose requests lose a part on the way; `cached` and `prompt` count tokens."""

    def __init__(self, inner: ModelBackend, cut: Callable[[ModelRequest], ModelRequest]) -> None:
        self._inner, self._cut = inner, cut
        self.cached = self.prompt = self.answers = 0

    async def describe(self) -> BackendInfo:
        """As the inner one."""
        return await self._inner.describe()

    async def count(self, request: ModelRequest) -> TokenCount:
        """As the inner one."""
        return await self._inner.count(self._cut(request))

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """As the inner one, of the cut request."""
        answer = await self._inner.answer(self._cut(request), on_text)
        self.cached += answer.usage.cached_tokens
        self.prompt += answer.usage.prompt_tokens
        self.answers += 1
        return answer

    async def close(self) -> None:
        """Leave the inner one open: it is shared."""

    @property
    def evaluated_per_call(self) -> float:
        """Prompt tokens that were not cached, of each answer."""
        return (self.prompt - self.cached) / max(1, self.answers)


CELL_HEADER = (
    "| prompt | resolves | depth | jobs right | 95 % interval | calls asked | evaluated/call | ms/call |\n"
    "|---|---|--:|--:|---|--:|--:|--:|"
)


def cell_line(row: Mapping[str, Any]) -> str:
    """Return one row of a table under `CELL_HEADER`."""
    return (
        f"| {row['prompt']} | {row['resolves']} | {row['depth']} | {row['ok']}/{row['episodes']} "
        f"| {row['low']:.2f}-{row['high']:.2f} | {row['answers']} | {row['evaluated']:.0f} | {row['ms']:.0f} |"
    )


async def ablations(serve: Serve, *, episodes: int) -> list[dict[str, Any]]:
    """Print what each cut changes: jobs carried out, calls asked, tokens evaluated again, time."""
    print(CELL_HEADER)
    rows = []
    cells = [(name, "nebulus") for name in CUTS] + [
        ("whole", "no-resolving"),
        ("without facts", "no-resolving"),
    ]
    for depth in DEPTHS:
        for name, arm in cells:
            given = argparse.Namespace(episodes=episodes, json=True)
            async with serve() as backend:
                through = CutBackend(backend, CUTS[name])
                cell = await ceiling.cell(arm, depth, wordings="train", inner=through, given=given)
            by = "code" if arm == "nebulus" else "the model"
            rows.append({"prompt": name, "resolves": by, **cell, "evaluated": through.evaluated_per_call})
            print(cell_line(rows[-1]), flush=True)
    return rows
