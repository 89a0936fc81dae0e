"""Every regular expression of the package, as compiled, and how it is used."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nebulus

_CALLS = frozenset({"compile", "match", "search", "fullmatch", "findall", "finditer", "split", "sub", "subn"})
_ANCHORED = frozenset({"match", "fullmatch"})
_MATCHING = frozenset({"after"})
"""Functions of the package that match their first argument, a pattern, at one place."""


class Pattern(NamedTuple):
    r"""A pattern with its module and line, `\Z` after it where it must match all of a text.

    `is_search` unless all its uses match at one place.
    """

    module: str
    line: int
    text: str
    flags: int
    is_search: bool


def patterns(*, besides: str = "") -> list[Pattern]:
    """Return the patterns of all modules whose name does not begin with `besides`, each once per module."""
    found = []
    for info in pkgutil.walk_packages(nebulus.__path__, "nebulus."):
        if info.name.endswith("__main__") or (besides and info.name.startswith(besides)):
            continue
        module = importlib.import_module(info.name)
        tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
        named = set(_of_globals(module, tree))
        known = {pattern.text for pattern in named}
        known |= {text.removeprefix("(?:").removesuffix(")\\Z") for text in known}
        found += sorted({*named, *(each for each in _of_calls(info.name, tree) if each.text not in known)})
    return found


def _of_globals(module: Any, tree: ast.Module) -> Iterator[Pattern]:
    """The compiled patterns that names of a module lead to."""
    lines = {name: node.lineno for node in tree.body for name in _assigned(node)}
    used: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.setdefault(node.value.id, set()).add(node.attr)
        match node:
            case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name), *_]) if function in _MATCHING:
                used.setdefault(name, set()).add("match")
    for name, line in lines.items():
        uses = used.get(name, set())
        is_search = not uses or not uses <= _ANCHORED
        for pattern in _compiled(vars(module).get(name)):
            text = f"(?:{pattern.pattern})\\Z" if uses == {"fullmatch"} else pattern.pattern
            yield Pattern(module.__name__, line, text, pattern.flags, is_search)


def _assigned(node: ast.stmt) -> Iterator[str]:
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def _compiled(value: Any, depth: int = 0) -> Iterator[re.Pattern[str]]:
    match value:
        case re.Pattern(pattern=str()):
            yield value
        case dict() if depth < 4:
            for inner in value.values():
                yield from _compiled(inner, depth + 1)
        case list() | tuple() | set() | frozenset() if depth < 4:
            for inner in value:
                yield from _compiled(inner, depth + 1)
        case _ if depth < 4 and hasattr(value, "__struct_fields__") and not isinstance(value, type):
            for field in value.__struct_fields__:
                yield from _compiled(getattr(value, field), depth + 1)


def _of_calls(module: str, tree: ast.Module) -> Iterator[Pattern]:
    """The patterns written in calls such as `re.search("…", text)`, inside functions too."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr=name),
                args=[ast.Constant(value=str(text)), *_],
            ) if name in _CALLS:
                flags = re.compile(text).flags | _flags(node)
                whole = f"(?:{text})\\Z" if name == "fullmatch" else text
                yield Pattern(module, node.lineno, whole, flags, name not in _ANCHORED)


def _flags(node: ast.Call) -> int:
    """The flags that a call names, such as `re.IGNORECASE | re.DOTALL`."""
    names = (
        inner.attr
        for argument in node.args[1:]
        for inner in ast.walk(argument)
        if isinstance(inner, ast.Attribute)
    )
    return sum({int(re.RegexFlag[name]) for name in names if name in re.RegexFlag.__members__})
