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


class AfterEscalation(StrEnum):
    """Where the step after one that needed a larger tier begins."""

    RETURN = "return"
    """With the tier that would have been chosen anyway."""
    STAY = "stay"
    """With the larger tier, until the run ends."""


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
    private_tools: tuple[str, ...] = ()
    """Once one of these tools was called, nothing of the run may leave the machine any more."""
    after_escalation: AfterEscalation = AfterEscalation.RETURN


class Alternative(Struct, frozen=True, omit_defaults=True):
    """A tier that was not chosen, and why."""

    tier: str
    why: str
    low: float | None = None
    """The lower bound of its success; None where nothing was measured."""


class Weighed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a parsed answer shows about itself, and whether it is used."""

    chance: float
    """How likely it is right."""
    reason: str
    larger_tier: str = ""
    """The tier that is asked instead; "" if the answer is used."""
