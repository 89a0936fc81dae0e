"""One mark and one style for each kind of line and each status of a step, on every screen."""

from collections.abc import Mapping
from types import MappingProxyType

from nebulus.core.plan import StepStatus
from nebulus.report.line_kinds import LineKind

MARKS: Mapping[LineKind, tuple[str, str]] = MappingProxyType(
    {
        LineKind.GOAL: ("◎", "bold"),
        LineKind.PLAN: ("≡", ""),
        LineKind.ROUTE: ("⇢", "dim"),
        LineKind.PROPOSAL: ("→", "cyan"),
        LineKind.EDIT: ("✎", "dim"),
        LineKind.VALUES: ("←", "cyan"),
        LineKind.CLAIM: ("~", "yellow"),
        LineKind.ANSWER: ("=", "bold"),
        LineKind.FINDING: ("!", "yellow"),
        LineKind.ALLOWED: ("✓", "dim"),
        LineKind.REFUSED: ("✗", "red"),
        LineKind.DROPPED: ("-", "yellow"),
        LineKind.QUESTION: ("?", "magenta"),
        LineKind.REPLY: ("☞", "magenta"),
        LineKind.RESULT: ("←", ""),
        LineKind.FAILURE: ("✗", "red"),
        LineKind.UNKNOWN: ("?", "red"),
        LineKind.RECOVERY: ("↺", "dim"),
        LineKind.ESCALATION: ("↑", "yellow"),
        LineKind.CHECKED: ("✓", "green"),
        LineKind.UNMET: ("✗", "yellow"),
        LineKind.WAITED: ("…", "dim"),
        LineKind.STEP_DONE: ("✓", "green"),
        LineKind.STEP_FAILED: ("✗", "red"),
    }
)

STATUS_MARKS: Mapping[StepStatus, tuple[str, str]] = MappingProxyType(
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

VERBOSE = frozenset({LineKind.ROUTE, LineKind.EDIT, LineKind.ALLOWED, LineKind.RECOVERY, LineKind.STEP_DONE})
"""Kinds of lines that only the verbose view shows."""
