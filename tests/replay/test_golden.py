"""A journal that was recorded once replays as it did then, or the version of journals is another."""

import json
from pathlib import Path

import pytest

from nebulus.core.events import JOURNAL_VERSION
from nebulus.core.journal import GENESIS, chained, events_of, misfit, readable
from nebulus.loop.transitions import replay
from nebulus.runtime.verify import verify
from tests.replay.journals import replayed

HERE = Path(__file__).parent
ALL = [path for path in sorted(HERE.glob("v*/*.jsonl")) if not path.name.endswith(".replayed.jsonl")]
CURRENT = [path for path in ALL if path.parent.name == f"v{JOURNAL_VERSION}"]


def batches_of(path: Path) -> tuple[bytes, ...]:
    return tuple(path.read_bytes().splitlines())


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_there_are_journals_of_this_version() -> None:
    """A new version begins with journals of its own: `python -m tests.replay.journals`."""
    names = {"runbook", "answer", "overlapping", "refused", "goal", "references"}
    assert {path.stem for path in CURRENT} == names


@pytest.mark.parametrize("path", CURRENT, ids=name_of)
def test_every_record_replays_to_the_machine_that_it_replayed_to_then(path: Path) -> None:
    expected = path.with_name(f"{path.stem}.replayed.jsonl").read_text("utf-8").splitlines()
    found = replayed(batches_of(path))
    for row, line in zip(found, expected, strict=True):
        assert row == json.loads(line), f"a change of the machine needs a new JOURNAL_VERSION: {path.name}"


@pytest.mark.parametrize("path", CURRENT, ids=name_of)
def test_a_golden_journal_is_whole_and_ends_done(path: Path) -> None:
    found = verify(batches_of(path), replay(events_of(batches_of(path))).outcome)
    assert found.is_whole, found.why
    assert type(replay(events_of(batches_of(path))).outcome).__name__ == "Done"


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_a_journal_of_any_version_can_be_shown_and_checked(path: Path) -> None:
    position, chain = 0, GENESIS
    for batch in batches_of(path):
        why, position, chain = misfit(batch, position, chain)
        assert why == ""
    assert len(list(readable(batches_of(path)))) == position


def test_a_journal_of_another_version_is_checked_and_not_replayed() -> None:
    """It says which version it is, and a change in it is still found."""
    event = b'{"type":"GoalGiven","goal":{"text":"g"}}'
    line = b'[{"position":1,"event":%s,"chain":"%s"}]' % (event, chained(GENESIS, event).encode())
    found = verify((line,), None)
    assert (found.is_whole, found.version, found.records) == (True, 0, 1)
    assert not verify((line.replace(b'"g"', b'"h"'),), None).is_whole
