"""What the guard sees beside a call: where its values came from, and what the run has done so far.

Law: all of it is kept by code and rebuilt by replaying events; no model can change it.
"""

from decimal import Decimal

from msgspec import Struct, field

from nebulus.core.provenance import Provenance


class Label(Struct, frozen=True, omit_defaults=True):
    """Where the value of one argument came from.

    `origins` are the places whose text holds it. `is_endorsed`: all of it stands in the user's words or
    in trusted facts, or it says nothing. `value` is the first piece that is not, bounded.
    """

    argument: str
    provenance: Provenance
    is_endorsed: bool = False
    value: str = ""


class Conduct(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run has done so far, each call counted when it is about to run.

    `by_tool` and `by_effect` count calls; `totals` sums numbers by "tool.argument"; `bytes_out` are the
    bytes of arguments that left; `recent` names the last tools, oldest first; `touched` holds each tool
    with each path that it was given; `done` the digests of the calls that changed something.
    `tainted_paths` hold text from outside; with `is_all_tainted`, so may everything that can be read.
    """

    calls: int = 0
    by_tool: dict[str, int] = field(default_factory=dict)
    by_effect: dict[str, int] = field(default_factory=dict)
    totals: dict[str, Decimal] = field(default_factory=dict)
    bytes_out: int = 0
    recent: tuple[str, ...] = ()
    touched: tuple[tuple[str, str], ...] = ()
    done: frozenset[str] = frozenset()
    tainted_paths: frozenset[str] = frozenset()
    is_all_tainted: bool = False


class Context(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known about a call beside the call itself.

    `agent` and `tier` say who proposed it. `is_tainted`: text from outside stood in the prompt that it
    was read from. `is_planned`: its tool is one that the plan set out to use in this step.
    """

    agent: str = "agent"
    tier: str = ""
    run_id: str = ""
    step: int = 0
    is_tainted: bool = False
    is_planned: bool = False
    labels: tuple[Label, ...] = ()
    conduct: Conduct = Conduct()

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
