"""The small sockets: a clock never goes back, a checker changes nothing, observers see everything."""

from pathlib import Path

import pytest

from nebulus.adapters.workspaces.checks import WorkspaceChecker
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.commands import Wait
from nebulus.core.events import WaitEnded
from nebulus.core.journal import records
from nebulus.core.plan import Check, FileContains, Named, PathAbsent, PathExists
from nebulus.ports.world import Checker, Clock
from nebulus.runtime.world import Observers, SystemClock
from nebulus.testing.world import FakeChecker, FakeClock, RememberingObserver

MET = (PathExists("a.txt"), PathAbsent("b.txt"), FileContains("a.txt", "May"), Named("is_fine"))
UNMET = (PathExists("b.txt"), PathAbsent("a.txt"), FileContains("a.txt", "June"), Named("is_wrong"))


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()], ids=["system", "fake"])
async def test_time_never_goes_back_and_sleeping_takes_it(clock: Clock) -> None:
    seen = [clock.now_s()]
    for seconds in (0.0, 0.01, 0.02):
        await clock.sleep(seconds)
        seen.append(clock.now_s())
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


@pytest.fixture(params=["workspace", "fake"])
def checker(request: pytest.FixtureRequest, tmp_path: Path) -> Checker:
    if request.param == "fake":
        return FakeChecker(unmet=UNMET)
    (tmp_path / "a.txt").write_text("May and more")
    named = {"is_fine": lambda arguments: "", "is_wrong": lambda arguments: "it is not"}
    return WorkspaceChecker(FolderWorkspace(tmp_path), named)


@pytest.mark.parametrize("check", MET, ids=repr)
async def test_a_check_that_holds_is_said_by_nothing(checker: Checker, check: Check) -> None:
    assert await checker.failure_of(check) == ""
    assert await checker.failure_of(check) == "", "looking changes nothing"


@pytest.mark.parametrize("check", UNMET, ids=repr)
async def test_a_check_that_does_not_hold_says_why(checker: Checker, check: Check) -> None:
    assert await checker.failure_of(check) != ""


def test_every_observer_sees_everything_in_order() -> None:
    one, other = RememberingObserver(), RememberingObserver()
    observers = Observers([one, other])
    assert observers.is_watching
    assert not Observers().is_watching
    wait, (record,) = Wait(step=1, seconds=1.0), records([WaitEnded(step=1, seconds=1.0)])
    observers.on_command(wait)
    observers.on_text("piece")
    observers.on_record(record)
    for each in (one, other):
        assert (each.commands, each.pieces, each.records) == ([wait], ["piece"], [record])
