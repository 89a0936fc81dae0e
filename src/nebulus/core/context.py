"""What the guard knows besides the call: where its values came from, and what the run has done so far.

Invariant: all of it is maintained by code and rebuilt by replaying events; no model can change it.
"""

from decimal import Decimal

from msgspec import Struct, field

from nebulus.core.provenance import Provenance


class Label(Struct, frozen=True, omit_defaults=True):
    """Where the value of one argument came from.

    Its provenance names the sources whose text contains it.
    """

    argument: str
    provenance: Provenance
    is_endorsed: bool = False
    """Whether all of it appears in the user's words or in trusted facts, or carries no information."""
    value: str = ""
    """The first part that is not endorsed, bounded."""


class RunUsage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run has done so far. Each call is counted when it is about to run."""

    calls: int = 0
    by_tool: dict[str, int] = field(default_factory=dict)
    """The number of calls of each tool."""
    by_effect: dict[str, int] = field(default_factory=dict)
    """The number of calls with each effect."""
    totals: dict[str, Decimal] = field(default_factory=dict)
    """The sums of numeric arguments, by "tool.argument"."""
    bytes_out: int = 0
    """The bytes of arguments that left the workspace."""
    recent: tuple[str, ...] = ()
    """The tools of the latest calls, oldest first."""
    touched: tuple[tuple[str, str], ...] = ()
    """Each pair of a tool and a path that it was given."""
    done: frozenset[str] = frozenset()
    """Digests of the calls that changed something."""
    tainted_paths: frozenset[str] = frozenset()
    """Paths that may contain text from outside."""
    is_all_tainted: bool = False
    """Whether everything that can be read may contain text from outside."""


class Context(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known about a call besides the call itself.

    `agent` and `tier` say who proposed it. `is_tainted`: text from outside was in the prompt that led to it.
    `is_planned`: the plan names its tool for this step.
    """

    agent: str = "agent"
    tier: str = ""
    run_id: str = ""
    step: int = 0
    is_tainted: bool = False
    is_planned: bool = False
    labels: tuple[Label, ...] = ()
    usage: RunUsage = RunUsage()

    def label(self, argument: str) -> Label | None:
        """Return the label of `argument`, None where it has none."""
        return next((label for label in self.labels if label.argument == argument), None)


class JudgedCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call as it was judged, for the record: `arguments` is canonical JSON, bounded."""

    tool: str = ""
    arguments: str = ""
    labels: tuple[Label, ...] = ()
    is_tainted: bool = False
    is_planned: bool = False
