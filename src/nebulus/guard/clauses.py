"""Conditions that code evaluates because Cedar can't: patterns over several paths, and windows of calls.

Invariant: a policy names such a condition by its key, and the request lists the keys that are true, so the policy
set and the request can't disagree about what a condition means.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from nebulus.core.context import RunUsage
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
    """The input of clauses: the paths and hosts of a call, and what was done before it."""

    paths: tuple[str, ...]
    hosts: tuple[str, ...]
    usage: RunUsage


class PathClause(Struct, frozen=True, tag=True):
    """All paths of a call match the patterns, or any path can reach what one of them matches."""

    quantity: Quantity
    patterns: tuple[str, ...]

    @property
    def key(self) -> str:
        """The text by which policies name it."""
        return f"{self.quantity} path in {' | '.join(self.patterns)}"

    def is_true(self, given: Given) -> bool:
        """Whether it is true for the call."""
        match self.quantity:
            case "all":
                return all_within(self.patterns, given.paths)
            case "any":
                return any_reached(self.patterns, given.paths)


class HostClause(Struct, frozen=True, tag=True):
    """All hosts of a call match the patterns, or any host does."""

    quantity: Quantity
    patterns: tuple[str, ...]

    @property
    def key(self) -> str:
        """The text by which policies name it."""
        return f"{self.quantity} host in {' | '.join(self.patterns)}"

    def is_true(self, given: Given) -> bool:
        """Whether it is true for the call."""
        match self.quantity:
            case "all":
                return all_hosts(self.patterns, given.hosts)
            case "any":
                return any_host(self.patterns, given.hosts)


class AfterClause(Struct, frozen=True, tag=True, kw_only=True):
    """At least `times` earlier calls of `tools`, within a window of calls or on paths that match the patterns.

    Each path counts once, however often a tool was given it.
    """

    name: str
    tools: tuple[str, ...]
    times: int
    within: int = 0
    patterns: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The text by which policies name it."""
        on = f" on {' | '.join(self.patterns)}" if self.patterns else ""
        window = f" within {self.within} calls" if self.within else ""
        return f"after {self.times} of {self.name}{on}{window}"

    def is_true(self, given: Given) -> bool:
        """Whether that many calls were made."""
        if self.patterns:
            seen = sum(
                tool in self.tools and any(matches_path(pattern, path) for pattern in self.patterns)
                for tool, path in given.usage.touched
            )
        else:
            seen = sum(tool in self.tools for tool in given.usage.recent[-self.within :])
        return seen >= self.times


Clause: TypeAlias = PathClause | HostClause | AfterClause


def true_clauses(clauses: Sequence[Clause], call: Call, *, spec: ToolSpec, usage: RunUsage) -> list[str]:
    """Return the keys of the clauses that are true for `call`."""
    given = Given(given_paths(call, spec), given_hosts(call, spec), usage)
    return [clause.key for clause in clauses if clause.is_true(given)]
