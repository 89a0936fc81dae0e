"""Compares a call with the arguments that its step gives: those given as data, and those written in its text.

Small models copy values exactly but from the wrong place: the path of the step before, the value of the next
parameter, half of a quoted value.

Invariants: data is compared by value. The text is only compared if it is an instruction for this very call, which
names the tool by a name that prose would not use (`is_code_name`); any other sentence may be about many calls. Only
`name = "value"` is certain; whatever else the text seems to say is a doubt, and a value that is written in the text
where the parameter is named is never doubted.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from nebulus.calls.assignments import QUOTED, Assignment, assignments, mentions
from nebulus.calls.grounding import scalars
from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.text import stands_in
from nebulus.core.tools import Effect, ToolSpec

_NUMBERS = tuple(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"  # noqa: SIM905
    " seventeen eighteen nineteen twenty".split()
)
_NAME_OF_CODE = re.compile(r"\w[_\-\d]|[a-z][A-Z]")
"""A name that prose would not use for something else: my_path, myPath, path2."""
_PREPOSITIONS = frozenset(
    {"to", "from", "for", "at", "by", "in", "on", "of", "as", "with", "until", "after", "before"}
)
"""Names of parameters that any sentence has: only a sign makes one of them an assignment."""
_BARE_CALL = re.compile(r"\b(?:without|no)\s+(?:any\s+)?(?:arguments|parameters|options)\b", re.IGNORECASE)
STEM_CHARS = 5
"""So much of a parameter's name in the step asks for it: "recursively" for `recursive`."""


def is_code_name(name: str) -> bool:
    """Whether prose would not use `name` for something else: `move_file` and `readFile`, but not "sort" or "find".

    A step that names its tool so is written for a call of it; any other sentence may be about many calls.
    """
    return _NAME_OF_CODE.search(name) is not None


def differing(call: Call, given: Mapping[str, Any]) -> Finding | None:
    """Return the finding for the first argument that differs from the one `given` as data, or lacks."""
    for name, value in given.items():
        if name not in call.arguments or not _is_same(call.arguments[name], value):
            said = json.dumps(value, ensure_ascii=False)
            return _mismatch(
                call.tool,
                f"the step gives {name} = {said[:200]}",
                name=name,
                value=spelled(call.arguments.get(name, "nothing")),
            )
    return None


def contradicted(step: str, call: Call, tool: ToolSpec, *, known: Collection[str] = ()) -> Finding | None:
    """Return the finding for the first argument that differs from a quoted value which `step` gives to it by a sign.

    `known` are the values that code put in for the references of the step, as they appear in `step`.
    """
    for said in assignments(step, tool, (*known, *_phrases(step, call))):
        if _is_explicit(step, said) and not _is_given(call, said):
            return _against(call, said)
    return None


def doubted(
    step: str, call: Call, tool: ToolSpec, *, known: Collection[str] = (), beside: str = ""
) -> Finding | None:
    """Return the first doubt about a call, None if there is none.

    `beside` is what else its values may come from: the goal, its constraints, what is known.
    """
    said = assignments(step, tool, (*known, *_phrases(step, call)))
    said = tuple(one for one in said if one.name not in _PREPOSITIONS or has_sign(step, one))
    unlike = next(
        (one for one in said if not _is_given(call, one) and not _is_written(step, call, one)), None
    )
    if unlike is not None:
        return _against(call, unlike)
    return (
        _cut_across(step, call, tool, known=known)
        or _left_out(step, call, tool, known=known)
        or _borrowed(step, call, said, beside=beside)
    )


def unasked(step: str, call: Call, tool: ToolSpec, *, beside: str = "") -> Finding | None:
    """Return the finding for the first optional argument of a change that nothing asks for.

    Neither does the step name it, nor does its value appear there beside what other parameters are given, or
    in `beside` (the goal and its constraints), nor is it the default. Texts are looked at only where they are
    to be copied (`grounded`): others may be composed.
    """
    if tool.effect is Effect.READ:
        return None
    required, free = tool.parameters.get("required", ()), _free_words(step, tool)
    for name, argument in call.arguments.items():
        shape = tool.parameters.get("properties", {}).get(name, {})
        is_free = name not in required and isinstance(argument, str | int | float)
        is_composed = isinstance(argument, str) and name not in tool.grounded and "enum" not in shape
        if not is_free or is_composed or shape.get("default") == argument:
            continue
        is_asked = not _BARE_CALL.search(free) and (
            _is_named(name, free) or _comes_from(argument, f"{free}\n{beside}")
        )
        if not is_asked:
            return Finding(
                kind=FindingKind.ARGUMENT_MISMATCH,
                rule=f"nothing asks for {name}",
                where=f"/{name}",
                value=spelled(argument)[:60],
                fix=f"leave {name} out",
                tool=tool.name,
            )
    return None


def spelled(value: Any) -> str:
    """Return a scalar as a step would write it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case _:
            return str(value)


def _cut_across(step: str, call: Call, tool: ToolSpec, *, known: Collection[str]) -> Finding | None:
    """A value of one place in the step that begins or ends within quotes, or runs over a parameter's name."""
    quoted = [match.span() for match in re.finditer(QUOTED, step)]
    parameters = [name for name in tool.parameters.get("properties", {}) if _NAME_OF_CODE.search(name)]
    names = list(mentions(step, parameters, known))
    for name, argument in call.arguments.items():
        places = [m.span() for m in re.finditer(re.escape(argument), step)] if _is_text(argument) else []
        if len(places) != 1:
            continue
        start, end = places[0]
        is_torn = any((a < start < b) != (a < end < b) for a, b in quoted)
        is_over = any(start < b and a < end and argument != other for other, (a, b) in names)
        if is_torn or is_over:
            rule = "the value runs over a parameter's name" if is_over else "the value cuts a quoted one"
            return _mismatch(tool.name, rule, name=name, value=argument, fix="give its value alone")
    return None


def _left_out(step: str, call: Call, tool: ToolSpec, *, known: Collection[str]) -> Finding | None:
    """A parameter that the step names as code does, and the call leaves out, or gives its own name for a value."""
    for name, _ in mentions(step, tool.parameters.get("properties", {}), known):
        if name not in call.arguments and _NAME_OF_CODE.search(name):
            return _mismatch(tool.name, f"the step names {name}, and the call leaves it out", name=name)
        if call.arguments.get(name) == name:
            fix = f"give what the step says of {name}"
            return _mismatch(
                tool.name, "a parameter's own name is not a value", name=name, value=name, fix=fix
            )
    return None


def _borrowed(step: str, call: Call, said: tuple[Assignment, ...], *, beside: str) -> Finding | None:
    """A value that the step has once, and gives to another parameter."""
    for name, argument in call.arguments.items():
        for leaf in _texts(argument):
            places = list(re.finditer(rf"(?<!\w){re.escape(leaf)}(?!\w)", step))
            owner = next((each for each in said if len(places) == 1 and _is_within(places[0], each)), None)
            if owner is None or owner.name == name or stands_in(leaf, beside):
                continue
            rule = f"the step gives that value to {owner.name}"
            return _mismatch(call.tool, rule, name=name, value=leaf, fix=f"give {name} its own value")
    return None


def _is_within(match: re.Match[str], said: Assignment) -> bool:
    return said.place[0] <= match.start() < said.place[1]


def _phrases(step: str, call: Call) -> list[str]:
    """Return the call's values of several words that appear in `step`: names within them assign nothing."""
    texts = (value for value in call.arguments.values() if isinstance(value, str))
    return [value for value in texts if " " in value.strip() and value in step]


def _is_explicit(step: str, said: Assignment) -> bool:
    """Whether the value is in quotes after a sign: `path = "a.md"`."""
    return step[said.place[0]] in "\"`'" and has_sign(step, said)


def has_sign(step: str, said: Assignment) -> bool:
    """Whether the step gives the value by a sign: `=`, `:` or `->`."""
    at = said.place[0]
    return re.search(r"(?:[:=]|->)\s*$", step[max(0, at - 8) : at]) is not None


def _is_written(step: str, call: Call, said: Assignment) -> bool:
    """Whether the call's value is written, as a whole, where the step names the parameter.

    Where a value without quotes ends can't be known from the text; where it begins can.
    """
    at = said.place[0]
    if said.name not in call.arguments or step[at] in "\"`'":
        return False
    value = " ".join(spelled(call.arguments[said.name]).split())
    rest = " ".join(step[at : at + 2 * len(value) + 80].split())
    return bool(value) and re.match(rf"{re.escape(value)}(?!\w)", rest) is not None


def _is_same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; 1 is 1.0, and neither is true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(_is_same, one, other))
        case _:
            return bool(one == other)


def _against(call: Call, said: Assignment) -> Finding:
    given = spelled(call.arguments[said.name]) if said.name in call.arguments else "nothing"
    return _mismatch(call.tool, f"the step says {said.name} = {said.value}", name=said.name, value=given)


def _mismatch(tool: str, rule: str, *, name: str = "", value: str = "", fix: str = "") -> Finding:
    where = f"/{name}" if name else ""
    return Finding(
        kind=FindingKind.ARGUMENT_MISMATCH, rule=rule, where=where, value=value[:60], fix=fix, tool=tool
    )


def _is_given(call: Call, said: Assignment) -> bool:
    if said.name not in call.arguments:
        return False
    argument, value = call.arguments[said.name], said.value
    match argument:
        case bool():
            return spelled(argument) == value.lower()
        case int() | float():
            return spelled(argument) == value or _number(value) == argument
        case _:
            return spelled(argument) in (value, _unescaped(value))


def _unescaped(text: str) -> str:
    """Return a quoted value with its escapes read as JSON, or as it is."""
    try:
        return str(json.loads(f'"{text}"')) if "\\" in text else text
    except ValueError:
        return text


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?\d{1,300}(?:\.\d{1,300})?", text) else None


def _free_words(step: str, tool: ToolSpec) -> str:
    """Return the step without the tool's name and without what it assigns to parameters."""
    text = list(step)
    taken = [said.place for said in assignments(step, tool)]
    for start, end in (*taken, *(place for _, place in mentions(step, (tool.name,)))):
        text[start:end] = " " * (end - start)
    return "".join(text)


def _is_named(name: str, step: str) -> bool:
    """Whether the step has the name of a parameter, or the beginning of each of its words."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]{1,60}(?![a-z])", name)
    said = step.lower()
    return name in step or (bool(words) and all(word.lower()[:STEM_CHARS] in said for word in words))


def _comes_from(argument: str | float, shown: str) -> bool:
    """Whether a text or a number is in what was shown, in digits or as an English word; no truth value does."""
    text = spelled(argument)
    match argument:
        case bool():
            return False
        case str():
            return not text or text.lower() in shown.lower()
        case _:
            is_word = argument in range(len(_NUMBERS)) and _NUMBERS[int(argument)] in shown.lower()
            digits = re.escape(text.removesuffix(".0"))
            return is_word or re.search(rf"(?<![\d.]){digits}(?!\d|\.\d)", shown) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _texts(value: Any) -> list[str]:
    """The leaves of `value` that can be told apart by their spelling: no truth values, no empty text."""
    return [] if isinstance(value, bool) or value is None else [leaf for leaf in _leaves(value) if leaf]


def _leaves(value: Any) -> list[str]:
    return [spelled(leaf) for leaf in scalars(value)]
