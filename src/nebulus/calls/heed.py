"""Whether a call heeds the words of its step: what the step spells out should stand in the call.

A small model copies values exactly and from the wrong place: the path of the step before, the value of
the next parameter, half of a quoted value. Code can see that without understanding the step.

Laws: `contradicted` speaks where the step assigns a value to a parameter by the parameter's own name
("path = notes/a.md", "3 as page"), and where a value was cut out of the step across a quotation mark or a
parameter's name; it is certain. `doubted` speaks of what the step names and no argument holds, and of a
value that the step gives to another parameter; `unasked` of an optional argument that nothing asked for.
These may be meant all the same.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from nebulus.calls.assignments import QUOTED, Assignment, assignments, mentions, unquoted
from nebulus.calls.grounding import scalars
from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.text import stands_in
from nebulus.core.tools import Effect, ToolSpec

_PATH = r"(?<![\w/.@\-])(?:[\w.\-]+/)+(?:[\w.\-]*\w)?|(?<![\w/.@\-])[\w\-]{2,}\.[A-Za-z]\w{0,5}\b(?!/)"
_ADDRESS = r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+"
_SPELLED = re.compile(f"{QUOTED}|{_ADDRESS}|{_PATH}")
_NUMBERS = tuple(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"  # noqa: SIM905
    " seventeen eighteen nineteen twenty".split()
)
_NAME_OF_CODE = re.compile(r"\w[_\-\d]|[a-z][A-Z]")
"""A name that prose would not use for something else: my_path, myPath, path2."""
_BARE_CALL = re.compile(r"\b(?:without|no)\s+(?:any\s+)?(?:arguments|parameters|options)\b", re.IGNORECASE)
STEM_CHARS = 5
"""So much of a parameter's name in the step asks for it: "recursively" for `recursive`."""


def contradicted(step: str, call: Call, tool: ToolSpec, *, known: Collection[str] = ()) -> Finding | None:
    """Return the finding for the first argument that goes against what the step says of it.

    `known` are the values that references of the step stood for, as they stand in `step`.
    """
    for said in assignments(step, tool, known):
        if said.is_certain and not _is_given(call, said):
            return _against(call, said)
    return _cut_across(step, call, tool, known=known)


def doubted(
    step: str, call: Call, tool: ToolSpec, *, known: Collection[str] = (), beside: str = ""
) -> Finding | None:
    """Return the first doubt about a call, None if there is none.

    `beside` is what else its values may come from: the goal, its constraints, what is known.
    """
    said = assignments(step, tool, known)
    unlike = next((each for each in said if not _is_given(call, each)), None)
    if unlike is not None:
        return _against(call, unlike)
    return (
        overlooked(step, call, tool)
        or _left_out(step, call, tool, known=known)
        or _borrowed(step, call, said, beside=beside)
    )


def overlooked(step: str, call: Call, tool: ToolSpec) -> Finding | None:
    """Return the finding for the first value that the step spells out and no argument holds.

    A part of it is not it; but a phrase in quotes may be spread over several arguments.
    """
    held = [leaf for argument in call.arguments.values() for leaf in _leaves(argument) if leaf]
    names = {tool.name, *tool.parameters.get("properties", {})}
    for value in spelled_out(step):
        parts = sum(leaf in value for leaf in held)
        if value not in names and parts < 2 and not any(value.strip("/.") in leaf for leaf in held):
            rule = f"the step names {value}, and the call leaves it out"
            return _mismatch(tool.name, rule, value=", ".join(held))
    return None


def unasked(step: str, call: Call, tool: ToolSpec, *, beside: str = "") -> Finding | None:
    """Return the finding for the first optional argument of a change that nothing asks for.

    Neither does the step name it, nor does its value stand there beside what other parameters are given, or
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
                kind=FindingKind.UNREQUESTED_ARGUMENT,
                rule=f"nothing asks for {name}",
                where=f"/{name}",
                value=spelled(argument)[:60],
                fix=f"leave {name} out",
                tool=tool.name,
            )
    return None


def spelled_out(step: str) -> Iterator[str]:
    """Yield the quoted words, paths and addresses of a step, in order, without their quotes."""
    for match in _SPELLED.finditer(step):
        yield unquoted(match[0])


def spelled(value: Any) -> str:
    """Return a scalar as a step would spell it."""
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
            return _mismatch(tool.name, rule, name=name, value=argument, fix="give what stands for it alone")
    return None


def _left_out(step: str, call: Call, tool: ToolSpec, *, known: Collection[str]) -> Finding | None:
    """A parameter that the step names as code does, and the call leaves out, or gives its own name for a value."""
    for name, _ in mentions(step, tool.parameters.get("properties", {}), known):
        if name not in call.arguments and _NAME_OF_CODE.search(name):
            return _mismatch(tool.name, f"the step names {name}, and the call leaves it out", name=name)
        if call.arguments.get(name) == name:
            fix = f"give what the step says of {name}"
            return _mismatch(tool.name, "a parameter's own name is no value", name=name, value=name, fix=fix)
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
            return spelled(argument) == value


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
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    said = step.lower()
    return name in step or (bool(words) and all(word.lower()[:STEM_CHARS] in said for word in words))


def _comes_from(argument: str | float, shown: str) -> bool:
    """Whether a text or a number stands in what was shown, in digits or as an English word; no truth value does."""
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
