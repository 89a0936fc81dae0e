"""How a damaged call is parsed: right, silently wrong, or refused.

Valid calls of twenty tools are damaged in every way that models and servers damage them, by seed. A
reader is *right* when it returns the very call, *wrong in silence* when it returns another one that the
tool's schema accepts, and *refused* when it returns none, or one that the schema catches.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jsonschema_rs

from nebulus.calls import read
from nebulus.core.answers import ModelAnswer
from nebulus.core.tools import ToolSpec

Arguments: TypeAlias = dict[str, Any]
Damage: TypeAlias = Callable[[str, random.Random], str | None]
Call: TypeAlias = tuple[str, Arguments]
Reader: TypeAlias = Callable[[str], list[Call]]

WORDS = (
    "alpha", "report", "invoice", "Zürich", "main", "config",
    "deploy", "north", "weekly", "«draft»", "release", "customer",
)  # fmt: skip
CONTENTS = (
    'def f(x):\n    """Say "hi"."""\n    return {"x": x}\n',
    "# Title\n\n- one\n- two\n\n```sh\nls -la\n```\n",
    "Dear all,\nit's done; see C:\\temp\\new.txt.\n",
    '<p class="a">it\'s</p>\n',
)


def _tool(number: int) -> ToolSpec:
    """Return tool `number` of twenty: a growing choice of kinds of parameters, some of them optional."""
    kinds: dict[str, dict[str, Any]] = {
        "path": {"type": "string"},
        "count": {"type": "integer", "minimum": 0},
        "ratio": {"type": "number"},
        "force": {"type": "boolean"},
        "mode": {"type": "string", "enum": ["fast", "slow", "safe"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "content": {"type": "string"},
        "options": {
            "type": "object",
            "properties": {"depth": {"type": "integer"}, "label": {"type": "string"}},
            "additionalProperties": False,
        },
        "points": {"type": "array", "items": {"type": "integer"}},
    }
    names = list(kinds)
    chosen = ["path", *(names[1 + (number + step) % 8] for step in range(1 + number % 5))]
    properties = {name: kinds[name] for name in dict.fromkeys(chosen)}
    parameters = {
        "type": "object",
        "properties": properties,
        "required": chosen[:2],
        "additionalProperties": False,
    }
    return ToolSpec(name=f"tool_{number}", parameters=parameters)


TOOLS = tuple(_tool(number) for number in range(20))
SCHEMAS = {tool.name: tool.parameters for tool in TOOLS}


def _value(name: str, rng: random.Random) -> Any:
    match name:
        case "count":
            return rng.randrange(0, 100_000)
        case "ratio":
            return round(rng.uniform(-100, 100), 3)
        case "force":
            return rng.random() < 0.5
        case "mode":
            return rng.choice(["fast", "slow", "safe"])
        case "tags":
            return rng.sample(WORDS, rng.randrange(1, 4))
        case "content":
            return rng.choice(CONTENTS)
        case "options":
            return {"depth": rng.randrange(1, 50), "label": rng.choice(WORDS)}
        case "points":
            return [rng.randrange(0, 1000) for _ in range(rng.randrange(1, 5))]
        case _:
            return "/".join(rng.sample(WORDS, 2)) + ".txt"


def cases(each: int, seed: int) -> Iterator[tuple[ToolSpec, Arguments]]:
    """Yield `each` valid calls of every tool."""
    rng = random.Random(seed)
    for tool in TOOLS:
        names = list(tool.parameters["properties"])
        required = tool.parameters["required"]
        for _ in range(each):
            kept = [name for name in names if name in required or rng.random() < 0.7]
            yield tool, {name: _value(name, rng) for name in kept}


def written(tool: ToolSpec, arguments: Arguments) -> str:
    """Return a call, written correctly."""
    return json.dumps({"name": tool.name, "arguments": arguments}, ensure_ascii=False)


def _outside_strings(text: str, change: Callable[[str], str]) -> str:
    """Return `text` with `change` made to everything outside its strings."""
    pieces = re.split(r'("(?:[^"\\]|\\.)*")', text)
    return "".join(piece if number % 2 else change(piece) for number, piece in enumerate(pieces))


def _strings(text: str, change: Callable[[str], str]) -> str:
    """Return `text` with `change` made to each of its strings, quotes included."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda match: change(match.group()), text)


def _truncated(text: str, rng: random.Random) -> str | None:
    return text[: rng.randrange(10, len(text))]


def _dropped(is_json: bool) -> Damage:
    """Return the damage of one lost character that leaves JSON behind, or not."""

    def damage(text: str, rng: random.Random) -> str | None:
        for _ in range(200):
            place = rng.randrange(len(text))
            damaged = text[:place] + text[place + 1 :]
            if _is_json(damaged) == is_json:
                return damaged
        return None

    return damage


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _value_lost(text: str, rng: random.Random) -> str | None:
    found = re.search(r'("count"|"ratio"|"force"): [^,}]+', text)
    return f"{text[: found.start()]}{found[1]}: {text[found.end() :]}" if found else None


def _single_quoted(text: str, rng: random.Random) -> str | None:
    if "'" in text:
        return None
    return _strings(text, lambda string: "'" + string[1:-1].replace('\\"', '"') + "'")


def _raw_newlines(text: str, rng: random.Random) -> str | None:
    return text.replace("\\n", "\n") if "\\n" in text and "\\\\n" not in text else None


def _unescaped_quotes(text: str, rng: random.Random) -> str | None:
    return text.replace('\\"', '"') if '\\"' in text else None


def _python(text: str, rng: random.Random) -> str | None:
    changed = _outside_strings(text, lambda piece: piece.replace("true", "True").replace("false", "False"))
    return changed if changed != text else None


def _typographic(text: str, rng: random.Random) -> str | None:
    return None if '\\"' in text else _strings(text, lambda string: f"\u201c{string[1:-1]}\u201d")


def _comma_lost(text: str, rng: random.Random) -> str | None:
    outside = _outside_strings(text, lambda piece: piece.replace(",", "\0"))
    places = [match.start() for match in re.finditer("\0", outside)]
    place = rng.choice(places)
    return text[:place] + text[place + 1 :]


def _key_twice(text: str, rng: random.Random) -> str | None:
    return text.replace('"path": ', '"path": "other.txt", "path": ', 1)


def _comment(text: str, rng: random.Random) -> str | None:
    return _outside_strings(text, lambda piece: piece.replace(", ", ", // next\n"))


def _numbers_as_text(text: str, rng: random.Random) -> str | None:
    changed = re.sub(r'("count"|"ratio"|"depth"): (-?[\d.]+)', r'\1: "\2"', text)
    return changed if changed != text else None


def _arguments_as_text(text: str, rng: random.Random) -> str | None:
    call = json.loads(text)
    return json.dumps({**call, "arguments": json.dumps(call["arguments"])})


def _other(text: str) -> str:
    return text.replace('"path": "', '"path": "other/')


def _ellipsis(text: str, rng: random.Random) -> str | None:
    return text.replace('"]', '", ...]') if '"]' in text else None


def _list_unclosed(text: str, rng: random.Random) -> str | None:
    return text.replace("]", "", 1) if '"points": [' in text or '"tags": [' in text else None


DAMAGES: dict[str, Damage] = {
    "clean": lambda text, rng: text,
    "truncated at a random place": _truncated,
    "one character dropped, no JSON any more": _dropped(is_json=False),
    "one character dropped, still JSON": _dropped(is_json=True),
    "missing value": _value_lost,
    "missing comma": _comma_lost,
    "missing closing bracket of a list": _list_unclosed,
    "missing last brace": lambda text, rng: text[:-1],
    "missing last two braces": lambda text, rng: text[:-2],
    "extra brace": lambda text, rng: text + "}",
    "trailing comma": lambda text, rng: _outside_strings(text, lambda piece: piece.replace("}", ",}")),
    "keys without quotes": lambda text, rng: re.sub(r'"([a-z_]+)": ', r"\1: ", text),
    "single quotes": _single_quoted,
    "typographic quotes": _typographic,
    "Python constants": _python,
    "comments": _comment,
    "raw newlines in strings": _raw_newlines,
    "escaped newlines between tokens": lambda text, rng: text.replace(': {"path"', ': \\n{"path"', 1),
    "unescaped quotes in strings": _unescaped_quotes,
    "ellipsis in a list": _ellipsis,
    "a key twice": _key_twice,
    "two alternatives": lambda text, rng: f"{text} or maybe {_other(text)}",
    "doubled call": lambda text, rng: f"{text}\n{text}",
    "code fence": lambda text, rng: f"```json\n{text}\n```",
    "special tokens": lambda text, rng: f"{text}<|im_end|>",
    "numbers as text": _numbers_as_text,
    "arguments as text": _arguments_as_text,
}

LOST = ("truncated at a random place", "missing value", "unescaped quotes in strings", "ellipsis in a list",
        "a key twice", "two alternatives")  # fmt: skip
"""Damage after which the call can't be known: here the only right answer is to refuse."""


def read_by_nebulus(text: str) -> list[Call]:
    """Return what the reader under test makes of a text."""
    return [(call.tool, call.arguments) for call in read(ModelAnswer(text=text), TOOLS).calls]


def valid_calls(calls: list[tuple[Any, Any]]) -> list[Call]:
    """Return those of `calls` that name a tool and whose arguments its schema accepts."""
    return [
        (name, arguments)
        for name, arguments in calls
        if name in SCHEMAS
        and isinstance(arguments, dict)
        and jsonschema_rs.is_valid(SCHEMAS[name], arguments)
    ]


def by_loads(loads: Callable[[str], Any]) -> Reader:
    """Return a reader that takes calls from what `loads` makes of a text."""

    def reader(text: str) -> list[Call]:
        try:
            value = loads(text)
        except (ValueError, RecursionError, AssertionError, IndexError):  # it refuses
            return []
        items = value if isinstance(value, list) else [value]
        return valid_calls(
            [(item.get("name"), item.get("arguments")) for item in items if isinstance(item, dict)]
        )

    return reader


def measure(
    readers: dict[str, Reader], *, each: int = 20, seed: int = 7
) -> dict[str, dict[str, Counter[str]]]:
    """Return the counts right, silent and refused, by damage and reader."""
    table: dict[str, dict[str, Counter[str]]] = {}
    for name, damage in DAMAGES.items():
        rng = random.Random(f"{seed} {name}")
        table[name] = {reader: Counter() for reader in readers}
        for tool, arguments in cases(each, seed):
            damaged = damage(written(tool, arguments), rng)
            if damaged is None:
                continue
            for reader, take in readers.items():
                table[name][reader][verdict(take(damaged), (tool.name, arguments))] += 1
    return table


def verdict(got: list[Call], meant: Call) -> str:
    """Return what became of a call; the same call read twice from a text that holds it twice is right."""
    if not got:
        return "refused"
    return "right" if {json.dumps(call) for call in got} == {json.dumps(meant)} else "silent"
