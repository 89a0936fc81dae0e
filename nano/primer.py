"""Plain jobs for the first part of training: few tools, short values, a handful of wordings.

Reading a call off a sentence is learned in a few minutes where sentences are alike, and not at all where
they all differ. So training begins here and moves on to `nano.language`; nothing is evaluated on this.
"""

import random
from typing import Final

from nano import lexicon, values
from nano.language import Job, JobStep, Reference, ToolDict
from nano.values import Value

_FRAMES: Final = ("use {t} with {a}", "use {t} with {a}", "call {t}: {a}", "{t} {a}", "run {t} ({a})")
_ARGUMENTS: Final = ("{p} = {v}", "{p}={v}", "{p}: {v}", "{p} {v}", "{p} `{v}`", '{p} "{v}"', "{p} is {v}")
_NAMES: Final = ("path", "content", "source", "target", "name", "id", "query", "file", "text", "key")


def share(progress: float) -> float:
    """Return the share of plain jobs at a progress in [0, 1]: most at first, one in eight from a quarter on."""
    return max(0.125, 0.9 - progress * 3)


def _tool(rng: random.Random, name: str) -> tuple[str, dict[str, str]]:
    kinds: dict[str, str] = {}
    for _ in range(rng.choice((1, 1, 2, 2, 3))):
        own = rng.choice(_NAMES) if rng.random() < 0.4 else lexicon.identifier(rng, "train")
        kinds[own] = "integer" if rng.random() < 0.15 else "string"
    return name, kinds


def _as_dict(name: str, kinds: dict[str, str]) -> ToolDict:
    shape = {
        "type": "object",
        "properties": {p: {"type": kind} for p, kind in kinds.items()},
        "required": list(kinds),
    }
    return {"type": "function", "function": {"name": name, "description": "", "parameters": shape}}


def _step(rng: random.Random, name: str, kinds: dict[str, str], *, number: int) -> JobStep:
    arguments: list[tuple[str, Value | Reference]] = []
    said = []
    form = rng.choice(_ARGUMENTS)
    for p, kind in kinds.items():
        value: Value = rng.randrange(1000) if kind == "integer" else values.bare(rng, "train")
        if kind == "string" and number > 1 and rng.random() < 0.15:
            reference = Reference(rng.randrange(1, number))
            arguments.append((p, reference))
            said.append(
                form.replace("`", "").replace('"', "").format(p=p, v=f"the result of step {reference.step}")
            )
        else:
            arguments.append((p, value))
            said.append(form.format(p=p, v=value))
    text = rng.choice(_FRAMES).format(t=name, a=", ".join(said))
    return JobStep(text, name, tuple(arguments))


def primer_job(rng: random.Random, depth: int) -> Job:
    """Return a plain job of the train split, over one to three tools."""
    tools = [_tool(rng, name) for name in lexicon.tool_names(rng, "train", rng.choice((1, 2, 2, 3)))]
    steps = tuple(_step(rng, *rng.choice(tools), number=number) for number in range(1, depth + 1))
    return Job("Work through the plan.", (), tuple(_as_dict(*tool) for tool in tools), steps)
