"""Jobs of the synthetic tool language, and the world that carries them out.

A `Job` is a goal with a numbered plan over tools that were made up for it. Names, values, tool sets and
wordings are drawn again for every job, so nothing can be memorised: each call must be derived from the text.
`Environment` executes calls and keeps score.

Invariants: the same random state gives the same job; every value of a call is in the step's text, or is a
`Reference` to an earlier result that the text names; the environment never hints at the next step, and a
call that does not validate has no effect.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from nano import lexicon, values, wording
from nano.lexicon import Split
from nano.values import Value

ToolDict: TypeAlias = dict[str, Any]
"""A tool in the shape of an OpenAI `tools` entry."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The value that an earlier step returned; steps count from 1."""

    step: int
    field: str = "result"


@dataclass(frozen=True, slots=True)
class JobStep:
    """One expected call, its wording, and the field of its result that later steps may refer to."""

    text: str
    tool: str
    arguments: tuple[tuple[str, Value | Reference], ...]
    yields: str = "result"


@dataclass(frozen=True, slots=True)
class Job:
    """A title of one or two lines, constraints, tools and the plan; `goal` is all that a runtime is told."""

    title: str
    constraints: tuple[str, ...]
    tools: tuple[ToolDict, ...]
    steps: tuple[JobStep, ...]

    @property
    def goal(self) -> str:
        """Return the title, the constraints and the numbered plan as one text, in the form of a runbook."""
        limits = ["", "Constraints:", *(f"- {c}" for c in self.constraints)] if self.constraints else []
        return "\n".join([self.title, *limits, "", *(f"{n}. {s.text}" for n, s in enumerate(self.steps, 1))])


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    kind: str
    is_required: bool
    choices: tuple[str, ...] = ()
    description: str = ""
    extras: tuple[tuple[str, Value], ...] = ()

    def schema(self) -> dict[str, Any]:
        shape: dict[str, Any] = {"type": self.kind if self.kind in ("integer", "boolean") else "string"}
        if self.choices:
            shape["enum"] = list(self.choices)
        if self.description:
            shape["description"] = self.description
        return shape | dict(self.extras)


@dataclass(frozen=True, slots=True)
class _Tool:
    name: str
    description: str
    parameters: tuple[_Parameter, ...]
    is_closed: bool

    def as_dict(self) -> ToolDict:
        shape: dict[str, Any] = {
            "type": "object",
            "properties": {p.name: p.schema() for p in self.parameters},
            "required": [p.name for p in self.parameters if p.is_required],
        }
        if self.is_closed:
            shape["additionalProperties"] = False
        function = {"name": self.name, "description": self.description, "parameters": shape}
        return {"type": "function", "function": function}


_NATURAL: Final[tuple[tuple[str, str], ...]] = (
    ("path", "path"), ("path", "path"), ("content", "phrase"), ("source", "path"), ("target", "path"),
    ("query", "phrase"), ("old", "phrase"), ("new", "phrase"), ("folder", "path"), ("file", "path"), ("name", "word"),
    ("text", "phrase"), ("title", "phrase"), ("message", "phrase"), ("note", "phrase"), ("id", "code"),
    ("date", "date"), ("day", "date"), ("email", "email"), ("to", "email"), ("limit", "integer"),
    ("count", "integer"), ("line", "integer"), ("page", "integer"), ("force", "boolean"), ("recursive", "boolean"),
    ("status", "choice"), ("key", "code"),
    ("label", "word"), ("output", "path"), ("input", "path"), ("user", "email"), ("value", "any"),
)  # fmt: skip
_KINDS: Final = (
    "any",
    "any",
    "any",
    "any",
    "path",
    "path",
    "phrase",
    "phrase",
    "code",
    "integer",
    "integer",
    "date",
    "boolean",
    "choice",
)
_PROBABILITY_NATURAL: Final = 0.4


def _parameter(
    rng: random.Random, split: Split, taken: set[str], *, natural: bool, described: float
) -> _Parameter:
    name, kind = rng.choice(_NATURAL) if natural else (lexicon.identifier(rng, split), rng.choice(_KINDS))
    while name in taken:
        name, kind = lexicon.identifier(rng, split), rng.choice(_KINDS)
    taken.add(name)
    choices: tuple[str, ...] = ()
    if kind == "choice":
        drawn = {values.word(rng, split) for _ in range(rng.randint(2, 4))}
        choices = tuple(sorted(drawn))
    is_required = rng.random() > 0.08
    extras: tuple[tuple[str, Value], ...] = ()
    if not is_required and kind == "integer" and rng.random() < 0.5:
        extras = rng.choice(
            ((("minimum", 0), ("default", rng.randint(0, 9))), (("minimum", 1),), (("default", 0),))
        )
    elif not is_required and not choices and kind not in ("integer", "boolean") and rng.random() < 0.3:
        extras = (("default", rng.choice(("", ".", values.word(rng, split)))),)
    return _Parameter(name, kind, is_required, choices, _description(rng, split, described), extras)


def _description(rng: random.Random, split: Split, chance: float) -> str:
    if rng.random() > chance:
        return ""
    if rng.random() < 0.25:
        kinds = ("verb", "noun", "noun", "adjective")
        words = [
            rng.choice(lexicon.GLUE) if rng.random() < 0.4 else lexicon.pick(rng, rng.choice(kinds), split)  # type: ignore[arg-type]
            for _ in range(rng.randint(4, 12))
        ]
        return " ".join(words).capitalize() + "."
    words = [lexicon.pick(rng, "verb", split).capitalize(), rng.choice(("a", "the", "one", "this"))]
    if rng.random() < 0.4:
        words.append(lexicon.pick(rng, "adjective", split))
    words.append(lexicon.pick(rng, "noun", split))
    return " ".join(words) + rng.choice((".", "", "."))


def _tool(rng: random.Random, split: Split, name: str) -> _Tool:
    taken: set[str] = set()
    natural = rng.random() < _PROBABILITY_NATURAL
    count = rng.choices((1, 2, 3, 4), (35, 40, 20, 5))[0]
    described = 0.9 if rng.random() < 0.08 else 0.0
    parameters = tuple(
        _parameter(rng, split, taken, natural=natural, described=described) for _ in range(count)
    )
    return _Tool(name, _description(rng, split, 0.2), parameters, rng.random() < 0.3)


def _plain(rng: random.Random, split: Split, parameter: _Parameter) -> Value:
    if parameter.choices:
        return rng.choice(parameter.choices)
    if parameter.kind == "boolean":
        return rng.random() < 0.5
    if parameter.kind == "integer":
        return rng.randrange(rng.choice((10, 100, 10_000)))
    return values.text_value(rng, split, parameter.kind)


REFERENCES: Final[dict[str, tuple[str, ...]]] = {
    "result": ("result of step {n}", "the result of step {n}", "the output of step {n}"),
    "other": ("the {f} of step {n}", "{f} of step {n}", "the {f} from step {n}"),
}
_REFERENCE: Final = re.compile(r"(?:the )?([a-z_]+) (?:of|from) step (\d+)", re.IGNORECASE)


def _reference_text(rng: random.Random, reference: Reference) -> str:
    forms = REFERENCES["result" if reference.field == "result" else "other"]
    return rng.choice(forms).format(f=reference.field, n=reference.step)


def resolve(text: str, results: Mapping[int, Mapping[str, Value]]) -> str:
    """Return a step's text with every reference replaced by its value; unknown references stay.

    `results` maps a step's number to the fields that it returned. `output` means `result`.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1].lower().replace("output", "result")
        found = results.get(int(match[2]), {}).get(name)
        return match[0] if found is None else spoken(found)

    return _REFERENCE.sub(value, text)


def spoken(value: Value) -> str:
    """Return a value as a sentence shows it: strings as they are, the rest as in JSON."""
    return value if isinstance(value, str) else wording.as_json(value)


def _step(rng: random.Random, split: Split, tool: _Tool, *, past: Sequence[JobStep]) -> JobStep:
    arguments: list[tuple[str, Value | Reference]] = []
    mentions = []
    for p in tool.parameters:
        if not p.is_required and rng.random() < 0.6:
            continue
        if past and p.kind not in ("integer", "boolean", "choice") and rng.random() < 0.28:
            number = rng.randint(1, len(past))
            reference = Reference(number, past[number - 1].yields)
            arguments.append((p.name, reference))
            mentions.append(wording.Mention(p.name, _reference_text(rng, reference), True))
        else:
            value = _plain(rng, split, p)
            arguments.append((p.name, value))
            mentions.append(wording.Mention(p.name, spoken(value)))
    if rng.random() < 0.2:
        rng.shuffle(mentions)
    text = wording.sentence(rng, tool.name, mentions, split=split)
    yields = rng.choice(("result", "result", "result", "path", "id", "name", "key"))
    return JobStep(text, tool.name, tuple(arguments), yields)


def _title(rng: random.Random, split: Split) -> str:
    def word(kind: str) -> str:
        return lexicon.pick(rng, kind, split)  # type: ignore[arg-type]

    verb, noun, other, kind = word("verb").capitalize(), word("noun"), word("noun"), word("adjective")
    forms = (
        f"{verb} the {kind} {noun}s.", f"{verb} all {noun}s for the {kind} {other}",
        f"{verb} the {noun} of {values.word(rng, split)}.", f"{verb} {values.path(rng, split)} and the {noun}",
        f"{verb} the {noun} and {word('verb')} the {other} before {values.date(rng, split)}.",
        f"I need the {kind} {noun} today. {verb} the {other} as planned.", f"{verb} {noun}s", "Work through the plan.",
    )  # fmt: skip
    title = rng.choice(forms)
    if rng.random() < 0.15:
        title += f"\n{word('verb').capitalize()} each {word('noun')} only once."
    return title


def constraint(rng: random.Random, split: Split) -> str:
    """Return one constraint that no step of a job collides with in words that matter to a call."""
    verb, noun = lexicon.pick(rng, "verb", split), lexicon.pick(rng, "noun", split)
    forms = (
        f"never {verb} the {noun}", f"do not {verb} more than {rng.randint(1, 50)} {noun}s",
        f"keep out of {values.path(rng, split)}", f"{verb} only {noun}s of this {rng.choice(('week', 'year', 'project'))}",
    )  # fmt: skip
    return rng.choice(forms)


_FILE_TOOLS: Final = {
    "list_files": (("path", "path"),),
    "read_file": (("path", "path"),),
    "write_file": (("path", "path"), ("content", "phrase")),
    "edit_file": (("path", "path"), ("old", "phrase"), ("new", "phrase")),
    "move_file": (("source", "path"), ("target", "path")),
    "delete_file": (("path", "path"),),
    "search_files": (("query", "phrase"), ("path", "path")),
}
"""The built-in tools of Nebulus, by name and arguments. Training never sees their names."""


def file_job(rng: random.Random, depth: int, *, wordings: Split) -> Job:
    """Return a job over three to five of the built-in file tools: for evaluation, never for training."""
    names = rng.sample(sorted(_FILE_TOOLS), rng.randint(3, 5))
    tools = [
        _Tool(name, "", tuple(_Parameter(p, kind, True) for p, kind in _FILE_TOOLS[name]), True)
        for name in names
    ]
    steps: list[JobStep] = []
    for _ in range(depth):
        steps.append(_step(rng, wordings, rng.choice(tools), past=steps))
    return Job(_title(rng, "held_out"), (), tuple(t.as_dict() for t in tools), tuple(steps))


def make_job(
    rng: random.Random,
    depth: int,
    split: Split = "train",
    *,
    wordings: Split | None = None,
    most_tools: int = 5,
) -> Job:
    """Return a job of `depth` steps over one to five tools, at most `most_tools`.

    `split` rules names and wordings; `wordings` overrides it for the wordings, to measure them apart.
    """
    count = min(most_tools, rng.choices((1, 2, 3, 4, 5), (20, 35, 25, 12, 8))[0])
    names = lexicon.tool_names(rng, split, count)
    tools = [_tool(rng, split, name) for name in names]
    steps: list[JobStep] = []
    for _ in range(depth):
        steps.append(_step(rng, wordings or split, rng.choice(tools), past=steps))
    limits = tuple(constraint(rng, split) for _ in range(rng.choice((0, 0, 0, 0, 1, 2))))
    return Job(_title(rng, split), limits, tuple(t.as_dict() for t in tools), tuple(steps))
