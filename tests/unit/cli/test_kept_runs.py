"""A run that another version recorded is listed and shown as it was stored, and says why it can't be replayed."""

import json

import pytest

from nebulus.adapters.engines.memory import MemoryEngine
from nebulus.cli.kept_runs import ListedRun, report_of, run_line, run_row
from nebulus.core.errors import JournalError
from nebulus.core.journal import readable
from nebulus.ports.engine import RunInfo, RunStatus
from nebulus.runtime.supervise import Supervisor

OLD = json.dumps([{"position": 1, "event": {"type": "GoalGiven", "goal": {"text": "Tidy."}}, "chain": "0"}])
INFO = RunInfo(
    run_id="old", status=RunStatus.ENDED, created_s=0.0, updated_s=0.0, version="0.1", request=b"{}"
)


class OldEngine(MemoryEngine):
    """Keeps one run, which another version recorded."""

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        return (OLD.encode(),)


def supervisor() -> Supervisor:
    def open_world(*_: object) -> object:
        raise AssertionError("nothing is run")

    return Supervisor(OldEngine(), open_world)  # type: ignore[arg-type]


async def test_a_journal_of_another_version_is_not_replayed_and_the_way_to_read_it_is_named() -> None:
    with pytest.raises(JournalError, match=r"can't replay .*'old'.*; `nebulus show old --journal`"):
        await report_of(supervisor(), "old")
    (record,) = readable(await supervisor().raw_journal("old"))
    assert record["event"]["goal"]["text"] == "Tidy."


def test_a_run_of_another_version_is_listed_without_what_cant_be_read() -> None:
    listed = ListedRun(info=INFO, request=None, outcome=None)
    assert "(recorded by another version)" in run_line(listed).text
    row = run_row(listed)
    assert (row["run_id"], row["version"], row["goal"], row["outcome"]) == ("old", "0.1", None, "")
