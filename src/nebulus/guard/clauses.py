"""Conditions that code works out, because Cedar can't: patterns over several paths, and windows of calls.

Law: a rule names such a condition by its own spelling, and the request says which of them hold; so the
set of policies and the request can't disagree about what was meant.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from nebulus.core.context import Conduct
from nebulus.core.findings import Call
from nebulus.core.tools import ToolSpec
from nebulus.guard.patterns import (
    all_hosts,
    all_within,
    any_host,
    any_reached,
    given_hosts,
    given_paths,
    matches_path,
)

Quantity: TypeAlias = Literal["all", "any"]


class Given(Struct, frozen=True):
    """What clauses look at: the paths and hosts of a call, and what was done before it."""

    paths: tuple[str, ...]
    hosts: tuple[str, ...]
    conduct: Conduct


class PathClause(Struct, frozen=True, tag=True):
    """The paths of a call: all lie within the patterns, or any reaches one of them."""

    quantity: Quantity
    patterns: tuple[str, ...]

    @property
    def key(self) -> str:
        """The spelling by which rules name it."""
        return f"{self.quantity} path in {' | '.join(self.patterns)}"

    def holds(self, given: Given) -> bool:
        """Whether it holds for the call."""
        match self.quantity:
            case "all":
                return all_within(self.patterns, given.paths)
            case "any":
                return any_reached(self.patterns, given.paths)


class HostClause(Struct, frozen=True, tag=True):
    """The hosts of a call: all are named by the patterns, or any is."""

    quantity: Quantity
    patterns: tuple[str, ...]

    @property
    def key(self) -> str:
        """The spelling by which rules name it."""
        return f"{self.quantity} host in {' | '.join(self.patterns)}"

    def holds(self, given: Given) -> bool:
        """Whether it holds for the call."""
        match self.quantity:
            case "all":
                return all_hosts(self.patterns, given.hosts)
            case "any":
                return any_host(self.patterns, given.hosts)


class AfterClause(Struct, frozen=True, tag=True, kw_only=True):
    """So many earlier calls of `tools`: within a window of calls, or on paths in the patterns.

    Paths are counted once each, however often a tool was given them.
    """

    name: str
    tools: tuple[str, ...]
    times: int
    within: int = 0
    patterns: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The spelling by which rules name it."""
        on = f" on {' | '.join(self.patterns)}" if self.patterns else ""
        window = f" within {self.within} calls" if self.within else ""
        return f"after {self.times} of {self.name}{on}{window}"

    def holds(self, given: Given) -> bool:
        """Whether that many calls were made."""
        if self.patterns:
            seen = sum(
                tool in self.tools and any(matches_path(pattern, path) for pattern in self.patterns)
                for tool, path in given.conduct.touched
            )
        else:
            seen = sum(tool in self.tools for tool in given.conduct.recent[-self.within :])
        return seen >= self.times


Clause: TypeAlias = PathClause | HostClause | AfterClause


def holding(clauses: Sequence[Clause], call: Call, *, spec: ToolSpec, conduct: Conduct) -> list[str]:
    """Return the keys of the clauses that hold for `call`."""
    given = Given(given_paths(call, spec), given_hosts(call, spec), conduct)
    return [clause.key for clause in clauses if clause.holds(given)]
