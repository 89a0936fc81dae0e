"""One mark and one colour for each kind of line and each state of a step, on every screen."""

from collections.abc import Mapping
from types import MappingProxyType

from nebulus.cli.narrate import Kind
from nebulus.core.plan import StepStatus

MARKS: Mapping[Kind, tuple[str, str]] = MappingProxyType(
    {
        Kind.GOAL: ("◎", "bold"),
        Kind.PLAN: ("≡", ""),
        Kind.PROPOSED: ("→", "cyan"),
        Kind.READ: ("←", "cyan"),
        Kind.CLAIMED: ("~", "yellow"),
        Kind.FINDING: ("!", "yellow"),
        Kind.ALLOWED: ("✓", "dim"),
        Kind.REFUSED: ("✗", "red"),
        Kind.ASKED: ("?", "magenta"),
        Kind.ANSWERED: ("☞", "magenta"),
        Kind.INTENDED: ("…", "dim"),
        Kind.DID: ("←", ""),
        Kind.BROKE: ("✗", "red"),
        Kind.UNKNOWN: ("?", "red"),
        Kind.HELD: ("✓", "green"),
        Kind.UNMET: ("✗", "yellow"),
        Kind.WAITED: ("…", "dim"),
        Kind.STEP_DONE: ("✓", "green"),
        Kind.STEP_FAILED: ("✗", "red"),
    }
)

STATES: Mapping[StepStatus, tuple[str, str]] = MappingProxyType(
    {
        StepStatus.PENDING: ("·", "dim"),
        StepStatus.ACTIVE: ("▶", "bold cyan"),
        StepStatus.PROVEN: ("✓", "green"),
        StepStatus.CALLED: ("✓", "cyan"),
        StepStatus.CLAIMED: ("~", "yellow"),
        StepStatus.FAILED: ("✗", "bold red"),
        StepStatus.DROPPED: ("-", "dim"),
    }
)

IN_PROGRESS = frozenset(Kind) - {Kind.INTENDED, Kind.ALLOWED, Kind.STEP_DONE}
"""What is worth a line while it happens; the rest stands in `show --verbose` and in the audit."""
