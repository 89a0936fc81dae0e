"""A probe asks every group a few times, then the one that is least certain."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.ceiling.probe_plan import FIRST_ROUND, STANDARD, Tally, next_group, tallies_of, widest_spread


@given(st.integers(0, 2**30))
def test_every_group_is_asked_before_any_is_asked_more_often(seed: int) -> None:
    results: list[tuple[tuple[str, int], bool]] = []
    for number in range(FIRST_ROUND * len(STANDARD.groups)):
        group = next_group(STANDARD, tallies_of(results))
        results.append((group, bool(seed >> (number % 30) & 1)))
    assert {tally.asked for tally in tallies_of(results).values()} == {FIRST_ROUND}


def test_the_least_certain_group_is_asked_next() -> None:
    tallies = {group: Tally(12, 12) for group in STANDARD.groups}
    tallies["copy", 80] = Tally(12, 6)
    assert next_group(STANDARD, tallies) == ("copy", 80)
    assert widest_spread(STANDARD, tallies) == Tally(12, 6).spread


def test_the_first_questions_are_of_many_areas_so_that_they_show_what_all_will_take() -> None:
    assert len({area for area, _ in STANDARD.groups[:5]}) == 5
