"""What the runtime knows of a tool without running it.

Invariant: a tool says what it does to the world (`Effect`); nothing is inferred from its name.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct, field


class Effect(StrEnum):
    """What a call does to the world, in rising order of consequence."""

    READ = "read"
    """Observes; may be repeated freely."""
    WRITE = "write"
    """Changes something that can be changed back."""
    IRREVERSIBLE = "irreversible"
    """Can't be undone: deleting, paying, sending."""
    EGRESS = "egress"
    """Carries data out of the workspace."""


class SandboxLevel(StrEnum):
    """How well a command is contained, best first; probed at start, never assumed."""

    NAMESPACES = "namespaces"
    """bubblewrap with seccomp and resource limits."""
    LANDLOCK = "landlock"
    """Landlock with seccomp and resource limits."""
    NONE = "none"


class ToolSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool as the model, the reader and the guard see it.

    `parameters` is a JSON Schema of type object. `paths` names the arguments that are paths inside the
    workspace (made canonical before they are judged); `grounded` names the arguments whose value must
    appear in what the model was shown; `facts` names the result fields worth remembering (all scalars if
    empty). `is_idempotent`: takes our key, so a second call with the same key does nothing.
    `has_check`: can tell after a crash whether a call happened. `is_untrusted`: its results are text
    from outside, data and never instructions. `hosts` names the arguments that say where data goes (a
    URL, an address of mail, a host). `consequential` names the arguments that decide what an effect does
    to the world; where it is empty, these are the paths of a tool that writes, and all of any other.
    `handles` names the arguments that are handles of artifacts; the tool is given the content address.
    `returns` is a JSON Schema of its result, empty where it promises none. `reads` names the values that
    must be read out of its text, each with its meaning in words: a model is asked for those that are not
    found without one.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    effect: Effect = Effect.READ
    is_idempotent: bool = False
    has_check: bool = False
    is_untrusted: bool = False
    timeout_s: float = 60.0
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    consequential: tuple[str, ...] = ()
    grounded: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    returns: dict[str, Any] = field(default_factory=dict)
    reads: dict[str, str] = field(default_factory=dict)
    least_sandbox: SandboxLevel = SandboxLevel.NONE

    @property
    def is_repeatable(self) -> bool:
        """Whether a call that may have happened may be made again."""
        return self.effect is Effect.READ or self.is_idempotent


class Mark(Struct, frozen=True, omit_defaults=True):
    """A value that stands out in a text (an identifier, a path, a number, a date), and where it was found.

    `is_labelled`: the text itself gives it its `name`; otherwise it was found by its looks, and `name` is its kind.
    """

    name: str
    value: str
    where: str = ""
    is_labelled: bool = True


class Passage(Struct, frozen=True, omit_defaults=True):
    """A piece of a text, character for character: from character `start` on (from 0), in line `line` (from 1)."""

    text: str
    start: int = 0
    line: int = 1


class ToolResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tool gave back, as recorded: `text` is bounded, the whole is in the artifact.

    `fields` are the scalars worth remembering. `size_bytes` is the size of the whole result;
    `artifact` its content address ("" when a fact can hold all of `text`); `shape` says in words what it
    is, and `marks` are the values that stand out in it. Where values must be read out of more than `text`
    holds, `passages` are the pieces of the whole that tell most of them, best first. `is_lost`: the effect is
    known to have happened, and what the tool gave back is not: `text` says so, and is not a value.
    """

    text: str
    fields: dict[str, str | int | float | bool] = field(default_factory=dict)
    artifact: str = ""
    size_bytes: int = 0
    is_trusted: bool = True
    shape: str = ""
    marks: tuple[Mark, ...] = ()
    passages: tuple[Passage, ...] = ()
    is_lost: bool = False
