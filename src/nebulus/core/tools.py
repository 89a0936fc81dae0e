"""What the runtime knows about a tool without running it.

Invariant: a tool declares what it does to the world (`Effect`); nothing is inferred from its name.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct, field


class Effect(StrEnum):
    """What a call does to the world, from the least to the most consequential."""

    READ = "read"
    """Observes; may be repeated freely."""
    WRITE = "write"
    """Changes something that can be changed back."""
    IRREVERSIBLE = "irreversible"
    """Can't be undone: deleting, paying, sending."""
    EGRESS = "egress"
    """Carries data out of the workspace."""


EFFECTS = tuple(Effect)
"""From the least to the most consequential."""


class SandboxLevel(StrEnum):
    """How well a command is isolated, best first. Probed at start, never assumed."""

    NAMESPACES = "namespaces"
    """bubblewrap with seccomp and resource limits."""
    LANDLOCK = "landlock"
    """Landlock with seccomp and resource limits."""
    NONE = "none"


class ToolSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool as the model, the parser and the guard see it."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    """A JSON Schema of type object."""
    effect: Effect = Effect.READ
    is_effect_assumed: bool = False
    """Whether the tool did not declare its effect, so that it counts as irreversible."""
    is_idempotent: bool = False
    """Whether it takes our key, so that a second call with the same key does nothing."""
    has_check: bool = False
    """Whether it can tell after a crash whether a call happened."""
    is_untrusted: bool = False
    """Whether its results are text from outside: data, never instructions."""
    timeout_s: float = 60.0
    paths: tuple[str, ...] = ()
    """The arguments that are paths inside the workspace; they are made canonical before they are judged."""
    replaces: tuple[str, ...] = ()
    """The paths of files whose whole content a call replaces; one that the run has not seen is not overwritten."""
    references: tuple[str, ...] = ()
    """The arguments (long texts) that may be given as a reference to an earlier result: `{"from": "step 2"}`."""
    hosts: tuple[str, ...] = ()
    """The arguments that say where data goes (a URL, an email address, a host)."""
    consequential: tuple[str, ...] = ()
    """The arguments that decide what an effect does to the world.

    If empty, these are the paths of a tool that writes, and all arguments of any other tool.
    """
    grounded: tuple[str, ...] = ()
    """The arguments whose value must appear in what the model was shown."""
    facts: tuple[str, ...] = ()
    """The result fields worth remembering; all scalars if empty."""
    handles: tuple[str, ...] = ()
    """The arguments that are handles of artifacts; the tool is given the content address."""
    returns: dict[str, Any] = field(default_factory=dict)
    """A JSON Schema of its result; empty if it promises none."""
    reads: dict[str, str] = field(default_factory=dict)
    """The values that must be read from its text, each with its meaning.

    A model is asked for those that code does not find.
    """
    least_sandbox: SandboxLevel = SandboxLevel.NONE
    is_worker: bool = False
    """Whether a call is a hand-over: a run of its own does the work, under a contract."""

    @property
    def is_repeatable(self) -> bool:
        """Whether a call that may have happened may be made again."""
        return self.effect is Effect.READ or self.is_idempotent


class Mark(Struct, frozen=True, omit_defaults=True):
    """A notable value in a text (an identifier, a path, a number, a date), and where it was found.

    `is_labelled`: the text itself names it; otherwise it was found by its form, and `name` is its kind.
    """

    name: str
    value: str
    where: str = ""
    is_labelled: bool = True


class Passage(Struct, frozen=True, omit_defaults=True):
    """An exact excerpt of a text, from character `start` (counted from 0) in line `line` (counted from 1)."""

    text: str
    start: int = 0
    line: int = 1


class ToolResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tool returned, as recorded."""

    text: str
    """The result, bounded; the artifact has all of it."""
    fields: dict[str, str | int | float | bool] = field(default_factory=dict)
    """The scalars worth remembering."""
    artifact: str = ""
    """The content address of the whole result; "" if all of `text` fits into a fact."""
    size_bytes: int = 0
    """The size of the whole result."""
    is_trusted: bool = True
    shape: str = ""
    """What the result is, in words."""
    marks: tuple[Mark, ...] = ()
    """The notable values in it."""
    passages: tuple[Passage, ...] = ()
    """If values must be read from more than `text`: the excerpts that say most about them, best first."""
    is_lost: bool = False
    """Whether the effect is known to have happened while its result is unknown; `text` says so."""
