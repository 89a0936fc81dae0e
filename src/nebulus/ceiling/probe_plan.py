"""Which questions a probe asks: all areas and levels, and the one that is asked next.

Invariant: what is asked next depends only on what was answered before, so a probe that was interrupted goes on with the
question that it would have asked.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from msgspec import Struct

from nebulus.ceiling.probe_chains import CHAINS
from nebulus.ceiling.probe_item import Area, ProbeItem
from nebulus.ceiling.probe_items import ONE_STEP

Group: TypeAlias = tuple[str, int]
"""An area and a level: what the questions of a group have in common."""
FIRST_ROUND = 2
"""Questions that every group gets before any gets more."""


class Tally(Struct, frozen=True):
    """How the questions of a group were answered: how many were asked, and how many of them were done right."""

    asked: int = 0
    right: int = 0

    @property
    def spread(self) -> float:
        """The standard deviation of the group's success rate, from a Beta posterior with Jeffreys' prior.

        Source: Brown, Cai and DasGupta 2001, doi:10.1214/ss/1009213286, section 3.1.
        """
        a, b = self.right + 0.5, self.asked - self.right + 0.5
        return float((a * b / ((a + b) ** 2 * (a + b + 1))) ** 0.5)


class ItemSource(Struct, frozen=True):
    """The groups of questions there are, and how a question of one is made from its number."""

    groups: tuple[Group, ...]
    make: Callable[[Group, int], ProbeItem]


def _make(group: Group, number: int) -> ProbeItem:
    area, level = group
    maker, _ = _MAKERS[Area(area)]
    return maker(level, number)


_MAKERS = {**ONE_STEP, **CHAINS}
_GROUPS = tuple((area.value, level) for area, (_, levels) in _MAKERS.items() for level in levels)
_STRIDE = 7
"""Groups are first asked so many places apart, so that the first few questions are of all kinds and lengths."""
STANDARD = ItemSource(
    groups=tuple(_GROUPS[place * _STRIDE % len(_GROUPS)] for place in range(len(_GROUPS))), make=_make
)
"""The questions of `nebulus probe`."""


def next_group(source: ItemSource, tallies: Mapping[Group, Tally]) -> Group:
    """Return the group whose next question narrows the forecast most: first each a few times, then the least certain.

    Of equally uncertain ones it is the one that was asked least, then the first.
    """

    def rank(group: Group) -> tuple[float, int, int]:
        tally = tallies.get(group, Tally())
        place = source.groups.index(group)
        if tally.asked < FIRST_ROUND:
            return (-1.0 + tally.asked / FIRST_ROUND - 1.0, tally.asked, place)
        return (-tally.spread, tally.asked, place)

    return min(source.groups, key=rank)


def widest_spread(source: ItemSource, tallies: Mapping[Group, Tally]) -> float:
    """Return the standard deviation of the least certain group."""
    return max(tallies.get(group, Tally()).spread for group in source.groups)


def tallies_of(results: Iterable[tuple[Group, bool]]) -> dict[Group, Tally]:
    """Return how each group was answered."""
    found: dict[Group, Tally] = {}
    for group, is_right in results:
        before = found.get(group, Tally())
        found[group] = Tally(before.asked + 1, before.right + is_right)
    return found
