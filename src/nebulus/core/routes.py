"""How a run chooses among its tiers, and what a choice says about those that were not taken."""

from enum import StrEnum

from msgspec import Struct, field

from nebulus.core.demand import ErrorCost, WorkKind


class RouteMode(StrEnum):
    """How a tier is chosen."""

    LADDER = "ladder"
    """The smallest first, and the next one when it fails."""
    MEASURED = "measured"
    """The smallest whose measured success is enough for what an error would cost."""
    PIN = "pin"
    """The tier that is named for the kind of work."""


class RoutePolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a choice must respect."""

    mode: RouteMode = RouteMode.LADDER
    needed: dict[ErrorCost, float] = field(
        default_factory=lambda: {
            ErrorCost.READ: 0.6,
            ErrorCost.REVERSIBLE: 0.75,
            ErrorCost.IRREVERSIBLE: 0.9,
        }
    )
    """The lower bound of success that a tier needs, by what an error costs."""
    pins: dict[WorkKind, str] = field(default_factory=dict)
    """The tier that does all work of a kind."""
    is_private: bool = False
    """Whether what is in the prompt may not leave the machine."""
    most_usd: float | None = None
    """The most that one answer may cost."""
    most_seconds: float | None = None
    """The longest that one answer may take."""


class Alternative(Struct, frozen=True, omit_defaults=True):
    """A tier that was not chosen, and why."""

    tier: str
    why: str
    low: float | None = None
    """The lower bound of its success; None where nothing was measured."""
