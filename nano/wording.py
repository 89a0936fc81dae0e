"""How a step is said: sentences composed from a frame, a verb, a connector, an argument syntax, separators, fillers.

Invariants: each part belongs to one split; a held-out sentence has a held-out frame or a held-out argument syntax
(mostly both) and held-out verbs and connectors, so no held-out sentence shape is ever trained on. The text
contains every mentioned value verbatim. A value with blanks is always quoted.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nano.lexicon import Split


@dataclass(frozen=True, slots=True)
class Mention:
    """One argument as a sentence has to name it; a reference is written as it is, never quoted."""

    name: str
    text: str
    is_reference: bool = False


FRAMES: Final[dict[Split, tuple[str, ...]]] = {
    "train": (
        "{V} {T} {C} {A}", "{V} {T} {C} {A}", "{V} {T} {C} {A}", "{V} {T}: {A}", "{V} {T}: {A}", "{T}: {A}", "{T}: {A}",
        "{T} {A}", "{T} {A}", "{T} ({A})", "{T}({A})", "{T} - {A}", "{V} {T} ({A})", "{V} {T}, {A}", "{V} {T} now {C} {A}",
        "now {V} {T} {C} {A}", "please {V} {T} {C} {A}", "{V} the tool {T} {C} {A}", "{V} the {T} tool {C} {A}",
        "tool {T}, arguments {A}", "tool {T}: {A}", "you should {V} {T} {C} {A}", "we need {T} {C} {A}",
        "it is time to {V} {T} {C} {A}", "this step: {T} {C} {A}", "{V} {T} {C} the arguments {A}",
        "{V} {T} {C} these arguments: {A}", "{T} {C} {A}", "{T} -> {A}", "{T}, {C} {A}", "first {V} {T} {C} {A}",
        "then {V} {T}: {A}", "{C} {A}, {V} {T}", "for this step {V} {T} {C} {A}", "I want you to {V} {T} {C} {A}",
        "let us {V} {T} {C} {A}", "a call of {T} {C} {A}", "{V} {T} once, {C} {A}", "{V} {T} to set {A}",
        "{V} {T} and set {A}",
    ),
    "held_out": (
        "the next thing is {T} {C} {A}", "could you {V} {T} {C} {A}", "do not forget to {V} {T} {C} {A}",
        "one {T} call, {A}", "tool: {T} / {A}", "{T} should get {A}", "have {T} work {C} {A}", "go on and {V} {T}: {A}",
    ),
}  # fmt: skip

SYNTAXES: Final[dict[Split, tuple[str, ...]]] = {
    "train": (
        "{p}={v}", "{p}={v}", "{p} = {v}", "{p}: {v}", "{p}: {v}", "{p} {v}", "{p} {v}", "{p} {v}", "{p} is {v}",
        "{p} set to {v}", "{p} to {v}", "{p} to {v}", "{p} as {v}", "the {p} {v}", "{p} -> {v}", "{p} equal to {v}",
        "--{p} {v}", "--{p}={v}", "{p} being {v}", "{p} := {v}", "{p} should be {v}", "{p} must be {v}", "{p} ({v})",
        "{v} as {p}", "{v} for {p}",
    ),
    "held_out": (
        "{p} => {v}", "{p} will be {v}", "{p} value {v}", "let {p} be {v}", "{p} <- {v}", "{p}:{v}",
    ),
}  # fmt: skip

VERBS: Final[dict[Split, tuple[str, ...]]] = {
    "train": (
        "use",
        "use",
        "call",
        "call",
        "run",
        "invoke",
        "execute",
        "apply",
        "start",
        "try",
        "pick",
        "take",
    ),
    "held_out": ("employ", "launch", "activate", "trigger", "go ahead with", "issue"),
}

CONNECTORS: Final[dict[Split, tuple[str, ...]]] = {
    "train": ("with", "with", "with", "using", "given", "passing", "setting", "where", "having"),
    "held_out": ("including", "supplying", "along with", "plus"),
}

OPENERS: Final[dict[Split, tuple[str, ...]]] = {
    "train": ("please", "now", "next", "next,", "then", "also"),
    "held_out": ("kindly", "at last", "once more"),
}

CLOSERS: Final[dict[Split, tuple[str, ...]]] = {
    "train": (".", ".", ".", " please", " now"),
    "held_out": (" if you would", ", thanks"),
}
SEPARATORS: Final = (", ", ", ", ", ", " and ", " and ", "; ")
QUOTES: Final = ("`{}`", "`{}`", '"{}"', '"{}"', "'{}'")

_HELD_OUT_MIX: Final = 0.75
"""How often a held-out sentence also takes its second part (syntax or frame) from the held-out set."""


def _shape(rng: random.Random, split: Split) -> tuple[str, str]:
    if split == "train":
        return rng.choice(FRAMES["train"]), rng.choice(SYNTAXES["train"])
    frame_split: Split = "held_out" if rng.random() < _HELD_OUT_MIX else "train"
    must = frame_split == "train" or rng.random() < _HELD_OUT_MIX
    return rng.choice(FRAMES[frame_split]), rng.choice(SYNTAXES["held_out" if must else "train"])


def _arguments(rng: random.Random, mentions: Sequence[Mention], syntax: str) -> str:
    quote = rng.choice(("", "", "", *QUOTES))
    fallback = rng.choice(QUOTES)

    def shown(mention: Mention) -> str:
        if mention.is_reference:
            return mention.text
        needs_quote = " " in mention.text or not mention.text[-1].isalnum()
        return (quote or (fallback if needs_quote else "{}")).format(mention.text)

    separator = rng.choice(SEPARATORS)
    if "=" in syntax and " " not in syntax.replace("--{p} ", "") and rng.random() < 0.5:
        separator = " "
    said = [syntax.replace("{p}", m.name).replace("{v}", shown(m)) for m in mentions]
    if separator == ", " and len(said) > 1 and rng.random() < 0.4:
        return ", ".join(said[:-1]) + rng.choice((" and ", ", and ")) + said[-1]
    return separator.join(said)


def _tool_mention(rng: random.Random, name: str) -> str:
    roll = rng.random()
    if roll < 0.8:
        return name
    return f"`{name}`" if roll < 0.96 else f'"{name}"'


def _polish(rng: random.Random, text: str, split: Split) -> str:
    if rng.random() < 0.12:
        text = rng.choice(OPENERS[split]) + " " + text
    if rng.random() < 0.15 and (text[-1].isalnum() or text[-1] in "`\"')"):
        text += rng.choice(CLOSERS[split])
    return text


def sentence(rng: random.Random, tool: str, mentions: Sequence[Mention], *, split: Split) -> str:
    """Return a sentence that asks for one call of the tool with the mentioned arguments, in the given order."""
    verb, connector = rng.choice(VERBS[split]), rng.choice(CONNECTORS[split])
    mention = _tool_mention(rng, tool)
    if not mentions:
        empty = rng.choice(("{V} {T}", "{T}", "{V} {T} without arguments", "{V} {T} with no arguments"))
        return _capital(rng, _polish(rng, empty.format(V=verb, T=mention), split), tool)
    frame, syntax = _shape(rng, split)
    said = _arguments(rng, mentions, syntax)
    text = frame
    for key, part in (("{V}", verb), ("{C}", connector), ("{T}", tool if frame == "{T}({A})" else mention)):
        text = text.replace(key, part)
    return _capital(rng, _polish(rng, text.replace("{A}", said), split), tool)


def _capital(rng: random.Random, text: str, tool: str) -> str:
    chance = 0.06 if text.startswith(tool) else 0.6
    is_word = text.startswith(tool) or text.split(" ", 1)[0].rstrip(",:").isalpha()
    return text[0].upper() + text[1:] if is_word and rng.random() < chance else text


def template_count() -> int:
    """Return how many frame and argument-syntax pairs training draws from."""
    return len(set(FRAMES["train"])) * len(set(SYNTAXES["train"]))


def as_json(value: object) -> str:
    """Return the spelling of a value that sentences and results share: JSON with blanks after `,` and `:`."""
    return json.dumps(value, ensure_ascii=False)
