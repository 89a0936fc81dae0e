"""How deep a model carries: how likely it is that a run of so many ordinary steps ends right.

Invariant: steps are taken to fail independently, each with the same unknown rate; what several of them have in common
(one model, one rate) widens the interval, as it must.
"""

from msgspec import Struct

from nebulus.ceiling.beta import Beta, all_of, of_counts
from nebulus.ceiling.probe_item import Area
from nebulus.ceiling.probe_items import STEPS_TOOLS
from nebulus.ceiling.profile import Profile

DEPTHS = (1, 2, 4, 8, 16, 32)
MOST_DEPTH = 256
LEVEL = 0.9


class DepthPoint(Struct, frozen=True, kw_only=True):
    """How likely a run of `steps` steps ends right, with the interval that contains the true value nine times in ten."""

    steps: int
    chance: float
    low: float
    high: float


class DepthCurve(Struct, frozen=True, kw_only=True):
    """How deep a model carries."""

    points: tuple[DepthPoint, ...]
    half: int
    """The most ordinary steps of which a run ends right at least every second time; 0 if not even one does."""
    trials: int
    """The questions behind it."""


def ordinary_step(profile: Profile) -> tuple[Beta, int]:
    """Return what is known about an ordinary step of a runbook, one call among a few tools, and from how many questions."""
    counted = [
        one
        for one in profile.groups
        if one.area == Area.STATED or (one.area == Area.CHOOSE and one.level <= STEPS_TOOLS)
    ]
    asked = sum(one.asked for one in counted)
    return of_counts(sum(one.right for one in counted), asked), asked


def depth_curve(profile: Profile, depths: tuple[int, ...] = DEPTHS) -> DepthCurve:
    """Return how likely runs of several lengths end right."""
    step, trials = ordinary_step(profile)
    points = []
    for steps in depths:
        run = all_of([(step, steps)])
        low, high = run.interval(LEVEL)
        points.append(DepthPoint(steps=steps, chance=step.moment(steps), low=low, high=high))
    half = next((steps for steps in range(1, MOST_DEPTH) if step.moment(steps) < 0.5), MOST_DEPTH) - 1
    return DepthCurve(points=tuple(points), half=half, trials=trials)
