"""A probe goes on where it was, counts no answer that never came, and never adds to the profile of another model."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from nebulus.adapters.profiles.store import ProfileStore
from nebulus.app.probe import Probe, ProbeLimits, ProbeStep, require_limits
from nebulus.app.settings import Settings, TierSettings
from nebulus.ceiling.probe_plan import STANDARD, ItemSource
from nebulus.ceiling.profile import Profile
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.ports.backend import BackendInfo
from nebulus.testing.backends import SCRIPTED, Script, ScriptedBackend, says
from nebulus.testing.world import FakeClock

SETTINGS = Settings(tiers={"small": TierSettings(model="http://127.0.0.1:1#qwen")})
SHORT = ItemSource(groups=(("stated", 1), ("arithmetic", 1), ("abstain", 1)), make=STANDARD.make)


def talks(_: ModelRequest) -> ModelAnswer:
    return says("I am not sure about that.")


def probe_on(folder: Path, script: Script = talks, *, name: str = "scripted") -> Probe:
    backend = ScriptedBackend(script, info=replace(SCRIPTED, name=name))
    store = ProfileStore(folder)
    return Probe("small", SETTINGS, backend, store=store, clock=FakeClock(), source=SHORT)


def measured(
    folder: Path, questions: int, script: Script = talks, *, name: str = "scripted"
) -> tuple[Probe, Profile, list[ProbeStep]]:
    steps: list[ProbeStep] = []

    async def run() -> tuple[Probe, Profile, list[ProbeStep]]:
        probe = probe_on(folder, script, name=name)
        profile = await probe.run(
            await probe.open(), ProbeLimits(questions=questions, minutes=1), watch=steps.append
        )
        return probe, profile, steps

    return asyncio.run(run())


def test_a_probe_that_was_interrupted_asks_what_it_would_have_asked(tmp_path: Path) -> None:
    _, whole, steps = measured(tmp_path / "whole", 6)
    _, _, before = measured(tmp_path / "parts", 2)
    probe, parts, after = measured(tmp_path / "parts", 6)
    assert probe.resumed == 2
    assert [one.question for one in (*before, *after)] == [one.question for one in steps]
    assert parts.groups == whole.groups
    assert [(row.demand, row.trials) for row in parts.rows] == [
        (row.demand, row.trials) for row in whole.rows
    ]
    assert ProfileStore(tmp_path / "parts").find(parts.model) == parts


def test_what_was_asked_has_its_demand_its_cost_and_its_day_in_the_profile(tmp_path: Path) -> None:
    _, profile, _ = measured(tmp_path, 3)
    assert sum(row.trials for row in profile.rows) == 3
    assert all(row.cost.answers > 0 and row.day == "1970-01-01" for row in profile.rows)


def test_an_answer_that_never_came_is_not_counted_and_what_was_learnt_is_kept(tmp_path: Path) -> None:
    measured(tmp_path, 2)
    gone = Failure(kind=FailureKind.PERMANENT, fault=Fault.BACKEND, what="the server is gone")
    with pytest.raises(BackendError, match="the server is gone"):
        measured(tmp_path, 3, lambda _: gone)
    (stored,) = ProfileStore(tmp_path).all()
    assert stored.profile is not None
    assert stored.profile.asked == 2


def test_a_server_that_cannot_be_reached_is_an_error_of_settings_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    class Unreachable(ScriptedBackend):
        async def describe(self) -> BackendInfo:
            raise BackendError(
                Failure(kind=FailureKind.TRANSIENT, fault=Fault.BACKEND, what="no server there")
            )

    probe = Probe("small", SETTINGS, Unreachable(), store=ProfileStore(tmp_path), clock=FakeClock())
    with pytest.raises(ConfigError, match=r"qwen can't be measured: .*no server there"):
        asyncio.run(probe.open())
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_changed_is_measured_again_from_the_beginning(tmp_path: Path) -> None:
    measured(tmp_path, 2)
    probe, profile, _ = measured(tmp_path, 1, name="another server")
    assert probe.stale == ("the backend",)
    assert (probe.resumed, profile.asked) == (0, 1)


def test_nothing_is_written_before_a_question_was_answered(tmp_path: Path) -> None:
    asyncio.run(probe_on(tmp_path).open())
    assert list(tmp_path.iterdir()) == []


def test_a_probe_ends_when_its_time_is_over(tmp_path: Path) -> None:
    probe = probe_on(tmp_path)

    class Hurrying(FakeClock):
        def now_s(self) -> float:
            self._now_s += 20.0
            return self._now_s

    probe._clock = Hurrying()

    async def run() -> Profile:
        limits = ProbeLimits(questions=50, minutes=2)
        return await probe.run(await probe.open(), limits, watch=lambda _: None)

    assert 0 < asyncio.run(run()).asked < 5


@pytest.mark.parametrize(
    ("limits", "why"),
    [(ProbeLimits(questions=0), "--max-questions=0"), (ProbeLimits(minutes=0), "--minutes=0")],
)
def test_limits_that_ask_nothing_are_refused(limits: ProbeLimits, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        require_limits(limits)
