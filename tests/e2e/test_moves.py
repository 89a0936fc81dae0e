"""Each move of the table does what it is there for: in a scene that was made to need it, it is what helps."""

import pytest

from bench.recovery_parts.moves import SCENES, play

SEEDS = range(5)
HELPED = [made for made in SCENES if made.__name__ not in ("stop", "breaker")]


@pytest.mark.parametrize("made", HELPED, ids=lambda made: made.__name__)
async def test_a_scene_ends_well_with_its_move_and_loudly_without(made) -> None:  # type: ignore[no-untyped-def]
    for seed in SEEDS:
        ends, scene = await play(made, seed, is_on=True)
        assert ends == ["right"]
        assert len(scene.done.effects) == 1
        assert (await play(made, seed, is_on=False))[0] == ["loud"]


async def test_to_stop_pays_once_and_to_begin_again_pays_again() -> None:
    stop = next(made for made in SCENES if made.__name__ == "stop")
    for seed in SEEDS:
        ends, scene = await play(stop, seed, is_on=True)
        assert (ends, scene.done.effects) == (["loud"], ["paid"])
        ends, scene = await play(stop, seed, is_on=False)
        assert (ends, set(scene.done.effects)) == (["loud"], {"paid"})
        assert len(scene.done.effects) > 1


async def test_a_breaker_spares_a_server_that_is_down_and_the_runs_that_want_it() -> None:
    breaker = next(made for made in SCENES if made.__name__ == "breaker")
    for seed in SEEDS:
        with_it, scene = await play(breaker, seed, is_on=True)
        without, unspared = await play(breaker, seed, is_on=False)
        assert with_it.count("right") > without.count("right")
        assert scene.done.asked < unspared.done.asked
