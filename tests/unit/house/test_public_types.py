"""Every type in the signature of a public function or method is public too."""

import inspect
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import nebulus

NAMED = [getattr(nebulus, name) for name in nebulus.__all__]
PUBLIC = {id(one) for public in NAMED for one in (public, *get_args(public))}
"""Public names, and the members of public unions such as `Event`."""


def types_in(annotation: Any) -> Iterator[type]:
    """Yield the classes of our own in an annotation, those of a public union as the union."""
    if id(annotation) in PUBLIC:
        return
    inner = [one for one in get_args(annotation) if not isinstance(one, str)]
    for one in inner:
        if isinstance(one, list | tuple):
            for each in one:
                yield from types_in(each)
        else:
            yield from types_in(one)
    if not inner and isinstance(annotation, type) and annotation.__module__.startswith("nebulus"):
        yield annotation


def signatures(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the functions of a public name: itself, or the public methods of a class."""
    if inspect.isfunction(thing):
        yield thing.__name__, thing
    elif inspect.isclass(thing) and thing.__module__.startswith("nebulus"):
        for name, member in vars(thing).items():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if inspect.isfunction(function) and (name == "__init__" or not name.startswith("_")):
                yield f"{thing.__name__}.{name}", function


def hidden_types(thing: Any) -> list[str]:
    """Name the types in the signatures of `thing` that are not public."""
    found = []
    for name, function in signatures(thing):
        if name.startswith("RunHandle.") and name.split(".")[1] in {
            "__init__",
            "attach",
            "drive",
            "end_with",
            "release",
            "stop",
        }:
            continue  # the runtime's own side of a handle
        for annotation in get_type_hints(function).values():
            found += [
                f"{name}: {kind.__qualname__}" for kind in types_in(annotation) if id(kind) not in PUBLIC
            ]
    return found


def test_every_type_in_a_public_signature_is_public() -> None:
    functions = [nebulus.Agent, nebulus.RunHandle, nebulus.tool]
    assert [complaint for thing in functions for complaint in hidden_types(thing)] == []


def test_a_hidden_type_is_found() -> None:
    def function(command: nebulus.RunHandle, spec: "nebulus.core.config.RunConfig") -> None: ...

    assert hidden_types(function) == ["function: RunConfig"]
