"""How a step is said: sentences composed from a frame, a verb, a connector, an argument syntax, separators, fillers.

Laws: each part belongs to one split; a held-out sentence has a held-out frame or a held-out argument syntax
(mostly both) and held-out verbs and connectors, so no held-out sentence shape is ever trained on. The text
contains every mentioned value verbatim. A value with blanks is always quoted.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nano import lexicon
from nano.lexicon import Split


@dataclass(frozen=True, slots=True)
class Mention:
    """One argument as a sentence has to name it; a reference is written as it is, never quoted."""

    name: str
    text: str
    is_reference: bool = False


FRAMES: Final[dict[Split, tuple[str, ...]]] = {
    "train": (
        "{V} {T} {C} {A}", "{V} {T} {C} {A}", "{V} {T}: {A}", "{V} {T}: {A}", "{T} {A}", "{T} {A}", "{T}: {A}",
        "{T} ({A})", "{T}({A})", "{T} - {A}", "{T} {C} {A}", "{T}: {C} {A}", "{C} {A}, {V} {T}", "{C} {A} {V} {T}",
        "{V} {T} ({A})", "{V} {T}, {A}", "{V} {T}, {C} {A}", "{T} | {A}", "{T} [{A}]", "{A}; {V} {T}",
        "{V} {T} now {C} {A}", "{V} the following: {T} {A}", "it is time to {V} {T} {C} {A}",
        "you should {V} {T} {C} {A}", "we need {T} {C} {A}", "{A} - {V} {T}", "{A}: that goes to {T}",
        "I want you to {V} {T} {C} {A}", "tool {T}, arguments {A}", "{T} -> {A}", "to finish this step {V} {T} {C} {A}",
        "{V} {T} {C} these: {A}", "{V} {T} {C} the arguments {A}", "{T} takes {A}", "{T} gets {A}", "send {A} to {T}",
        "give {T} {A}", "hand {T} the {A}", "{V} {T} to continue, {A}", "here we {V} {T} {C} {A}",
        "{V} {T} once {C} {A}", "this step: {T}, {A}", "{R} {T} {R} {A}", "{R} {T}: {A}", "{R} {R} {T} {A}",
        "{R} {A} {R} {T}", "{R} {V} {T} {C} {A} {R}", "{T} {R} {A}", "{A} {R} {T}", "{T} {R} {R}: {A}",
    ),
    "held_out": (
        "the next thing is {T} {C} {A}", "have {T} work {C} {A}", "{V} {T} so that {A}", "could you {V} {T} {C} {A}",
        "{T} should receive {A}", "{A} are meant for {T}", "do not forget to {V} {T} {C} {A}", "tool: {T} / {A}",
        "{T} >> {A}", "a call of {T} {C} {A} is due", "{V} {T}; its inputs: {A}", "one {T} call, {A}",
    ),
}  # fmt: skip

SYNTAXES: Final[dict[Split, tuple[str, ...]]] = {
    "train": (
        "{p}={v}", "{p}={v}", "{p} = {v}", "{p}: {v}", "{p}: {v}", "{p} {v}", "{p} {v}", "{p} {v}", "{p} is {v}",
        "{p} set to {v}", "{p} as {v}", "{v} as {p}", "{v} for {p}", "{v} as the {p}", "the {p} {v}", "{p} -> {v}",
        "{p} equal to {v}", "--{p} {v}", "--{p}={v}", '"{p}": {v}', "`{p}`: {v}", "`{p}` = {v}", "{p} ({v})",
        "{p} being {v}", "{p} := {v}", "{p} should be {v}", "{p} must be {v}", "[{p}] {v}", "a {p} of {v}",
        "{p} to {v}", "{p} to {v}", "{v} in {p}", "`{p}` {v}", "{p}, {v}", "the {p} is {v}", "{p} {r} {v}",
        "{r} {p} {v}", "{v} {r} {p}", "{p}:{v}",
    ),
    "held_out": (
        "{p} => {v}", "<{p}> {v}", "put {v} in {p}", "{p} will be {v}", "{p} value {v}", "-{p} {v}", "let {p} be {v}",
        "{v} ({p})", "{p}|{v}", "{p} <- {v}", "{p} reads {v}", "for {p} take {v}",
    ),
}  # fmt: skip

VERBS: Final[dict[Split, tuple[str, ...]]] = {
    "train": (
        "use", "use", "call", "call", "run", "invoke", "execute", "apply", "do", "perform", "start", "trigger", "try",
        "pick", "take", "make a call to", "send a request to", "work with", "continue with", "proceed with", "ask",
        "make use of", "query",
    ),
    "held_out": (
        "employ", "launch", "fire", "activate", "reach for", "go ahead with", "issue", "operate", "turn to", "consult",
    ),
}  # fmt: skip

CONNECTORS: Final[dict[Split, tuple[str, ...]]] = {
    "train": (
        "with", "with", "using", "given", "where", "for", "passing", "and pass", "with the arguments",
        "with parameters", "setting", "to set", "to set", "by", "on", "having", "that has", "providing", "taking", "",
        "and set", "in which", "and give it",
    ),
    "held_out": (
        "supplying", "under", "including", "filling in", "based on", "plus", "which wants", "along with", "whose",
    ),
}  # fmt: skip

OPENERS: Final[dict[Split, tuple[str, ...]]] = {
    "train": (
        "please", "now", "next", "next,", "then", "first", "also", "ok,", "so", "go on:", "step:", "task:", "finally",
        "after that", "quickly", "carefully", "again", "and", "here", "just", "now please",
    ),
    "held_out": ("kindly", "at last", "right away", "as agreed,", "once more", "to do:", "well,"),
}  # fmt: skip

CLOSERS: Final[dict[Split, tuple[str, ...]]] = {
    "train": (".", ".", ".", " please", " now", ", please", " and go on", ", then stop", "!", " and wait"),
    "held_out": (" if you would", ", thanks", " and that is all", "; no more"),
}
SEPARATORS: Final = (", ", ", ", ", ", " and ", " and ", "; ", " | ", ", and ", " & ", " / ")
TIGHT_SEPARATORS: Final = (" ", " ", ",", ", ")
QUOTES: Final = ("`{}`", "`{}`", '"{}"', '"{}"', "'{}'")

_VALUE_FIRST: Final = ("{v} ", "put ")
_HELD_OUT_MIX: Final = 0.75
"""How often a held-out sentence also takes its second part (syntax or frame) from the held-out set."""


def _random_words(rng: random.Random, split: Split) -> str:
    words = [
        lexicon.syllable_word(rng, split)
        if rng.random() < 0.4
        else rng.choice(
            (lexicon.pick(rng, "verb", split), lexicon.pick(rng, "noun", split), *lexicon.GLUE[:8])
        )
        for _ in range(rng.choice((1, 1, 2)))
    ]
    return " ".join(words)


def _shape(rng: random.Random, split: Split) -> tuple[str, str]:
    if split == "train":
        return rng.choice(FRAMES["train"]), rng.choice(SYNTAXES["train"])
    frame_split: Split = "held_out" if rng.random() < _HELD_OUT_MIX else "train"
    must = frame_split == "train" or rng.random() < _HELD_OUT_MIX
    return rng.choice(FRAMES[frame_split]), rng.choice(SYNTAXES["held_out" if must else "train"])


def _quoted(rng: random.Random, mention: Mention, quote: str) -> str:
    if mention.is_reference:
        return mention.text
    if " " in mention.text or not mention.text[-1].isalnum() or quote == "mixed":
        quote = rng.choice(QUOTES) if quote in ("", "mixed") else quote
    return quote.format(mention.text) if quote else mention.text


def _arguments(
    rng: random.Random, mentions: Sequence[Mention], syntax: str, split: Split, unnamed: int
) -> str:
    quote = rng.choice(("", "", "mixed", *QUOTES))
    if "{r}" in syntax and quote == "":
        quote = "`{}`"
    is_tight = any(
        mark in syntax for mark in ("=", ":", "->", "`{p}`", "--", "[", "<", "|")
    ) or quote not in ("", "mixed")
    separators: tuple[str, ...] = (*SEPARATORS, " to ", " to ", " ") if unnamed > 1 else SEPARATORS
    if is_tight and not syntax.startswith(_VALUE_FIRST) and rng.random() < 0.4:
        separators = TIGHT_SEPARATORS
    separator = rng.choice(separators)
    said = [
        ("{v}" if number < unnamed else syntax)
        .replace("{r}", _random_words(rng, split) if "{r}" in syntax else "")
        .replace("{p}", mention.name)
        .replace("{v}", _quoted(rng, mention, quote))
        for number, mention in enumerate(mentions)
    ]
    if 0 < unnamed < len(said):
        first = rng.choice((" ", ", ", ": ", " with ", " and ", " - ")).join(said[:2])
        said = [first, *said[2:]]
    if separator == ", " and len(said) > 1 and rng.random() < 0.4:
        return ", ".join(said[:-1]) + rng.choice((" and ", ", and ")) + said[-1]
    return separator.join(said)


def _unnamed(rng: random.Random, count: int) -> int:
    """Return how many of the first arguments a sentence gives without their names."""
    if rng.random() > (0.3 if count == 1 else 0.14):
        return 0
    return 1 if rng.random() < 0.6 else count


def _tool_mention(rng: random.Random, name: str) -> str:
    roll = rng.random()
    if roll < 0.62:
        return name
    if roll < 0.68 and "_" in name:
        first, rest = name.split("_", 1)
        return first + rng.choice((" ", " ", " the ")) + rest.replace("_", " ")
    if roll < 0.8:
        return f"`{name}`"
    return rng.choice(
        ('"{}"', "the {} tool", "tool {}", "the tool {}", "{}()", "the function {}", "'{}'")
    ).format(name)


def _json_sentence(rng: random.Random, tool: str, mentions: Sequence[Mention]) -> str:
    body = ", ".join(f'"{m.name}": "{m.text}"' for m in mentions)
    return rng.choice(("{} {{{}}}", "{}: {{{}}}", "call {} with {{{}}}", "use {} {{{}}}")).format(tool, body)


def _polish(rng: random.Random, text: str, split: Split) -> str:
    if rng.random() < 0.3:
        text = rng.choice(OPENERS[split]) + " " + text
    if rng.random() < 0.3 and (text[-1].isalnum() or text[-1] in "`\"')]"):
        text += rng.choice(CLOSERS[split])
    return text


def sentence(
    rng: random.Random, tool: str, mentions: Sequence[Mention], *, split: Split, is_positional: bool
) -> str:
    """Return a sentence that asks for one call of the tool with the mentioned arguments, in the given order.

    `is_positional` says that the arguments stand in the order of the tool's parameters, so that the first or
    all may be given without names ("read_file `x.md`", "move_file a.md to b.md").
    """
    verb = _random_words(rng, split) if rng.random() < 0.15 else rng.choice(VERBS[split])
    connector = _random_words(rng, split) if rng.random() < 0.12 else rng.choice(CONNECTORS[split])
    mention = _tool_mention(rng, tool)
    if not mentions:
        empty = (
            "{V} {T}",
            "{T}",
            "{V} {T} without arguments",
            "{T} with no arguments",
            "{T}()",
            "{V} {T} as it is",
        )
        return _capital(rng, _polish(rng, rng.choice(empty).format(V=verb, T=tool), split), tool)
    if split == "train" and rng.random() < 0.04 and not any(m.is_reference for m in mentions):
        return _json_sentence(rng, tool, mentions)
    frame, syntax = _shape(rng, split)
    said = _arguments(rng, mentions, syntax, split, _unnamed(rng, len(mentions)) if is_positional else 0)
    if frame == "{T}({A})":
        mention = tool
    text = frame
    while "{R}" in text:
        text = text.replace("{R}", _random_words(rng, split), 1)
    for key, part in (("{V}", verb), ("{C}", connector), ("{T}", mention)):
        text = text.replace(key, part)
    text = " ".join(text.split()).replace("{A}", said)
    text = _polish(rng, text, split)
    return text if text.startswith(said) else _capital(rng, text, tool)


def _capital(rng: random.Random, text: str, tool: str) -> str:
    chance = 0.12 if text.startswith(tool) else 0.4
    is_word = text.startswith(tool) or text.split(" ", 1)[0].rstrip(",:").isalpha()
    return text[0].upper() + text[1:] if is_word and rng.random() < chance else text


def template_count() -> int:
    """Return how many frame and argument-syntax pairs training draws from (random words not counted)."""
    return len(set(FRAMES["train"])) * len(set(SYNTAXES["train"]))


def as_json(value: object) -> str:
    """Return the spelling of a value that sentences and results share: JSON with blanks after `,` and `:`."""
    return json.dumps(value, ensure_ascii=False)
