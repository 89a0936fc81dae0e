"""An answer belongs to one question, serves once, survives the process, and silence is a no."""

from pathlib import Path

import pytest

from nebulus.adapters.approvals.person import StoredPerson
from nebulus.adapters.approvals.store import ApprovalStore
from nebulus.core.errors import ConfigError
from nebulus.core.outcome import Question
from nebulus.ports.guard import PersonReply
from nebulus.testing.people import NO, YES, ScriptedPerson

ASKED = Question(
    question_id="c3",
    kind="approval",
    text="May pay be called?",
    tool="pay",
    digest="ab" * 32,
    run_id="r1",
    step=2,
)
OTHER = Question(question_id="c3", kind="approval", text="May pay be called?", digest="cd" * 32, run_id="r1")
UNKNOWN = Question(question_id="c3?", kind="unknown_outcome", text="Did it?", digest="ef" * 32, run_id="r1")


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def store(folder: Path, hands: Hands | None = None) -> ApprovalStore:
    return ApprovalStore(folder / "approvals.sqlite", expires_s=60.0, now_s=hands or Hands())


async def test_an_answer_from_another_process_is_taken_by_the_next_one(tmp_path: Path) -> None:
    assert await StoredPerson(store(tmp_path)).ask(ASKED) is None
    elsewhere = store(tmp_path)
    [waiting] = elsewhere.waiting()
    assert waiting.question == ASKED
    elsewhere.answer("abab", PersonReply(is_yes=True, by="ann"))
    assert await StoredPerson(store(tmp_path)).ask(ASKED) == PersonReply(is_yes=True, by="ann")


async def test_an_answer_that_was_taken_is_taken_again_by_who_died_before_recording_it(
    tmp_path: Path,
) -> None:
    kept = store(tmp_path)
    await StoredPerson(kept).ask(ASKED)
    kept.answer(ASKED.digest, YES)
    assert await StoredPerson(kept).ask(ASKED) == YES
    here = ScriptedPerson([NO])
    assert await StoredPerson(store(tmp_path), here).ask(ASKED) == YES
    assert here.asked == []
    assert kept.waiting() == []


async def test_a_run_that_goes_back_is_asked_again(tmp_path: Path) -> None:
    kept = store(tmp_path)
    person = StoredPerson(kept)
    await person.ask(ASKED)
    kept.answer(ASKED.digest, YES)
    assert await person.ask(ASKED) == YES
    kept.withdraw("another run")
    assert await person.ask(ASKED) == YES
    kept.withdraw("r1")
    assert await person.ask(ASKED) is None
    assert [item.question for item in kept.waiting()] == [ASKED]


async def test_an_answer_that_nobody_took_yet_outlives_a_run_that_goes_back(tmp_path: Path) -> None:
    kept = store(tmp_path)
    await StoredPerson(kept).ask(ASKED)
    kept.answer(ASKED.digest, YES)
    kept.withdraw("r1")
    assert await StoredPerson(kept).ask(ASKED) == YES


async def test_what_was_taken_in_time_stays_as_it_was_said(tmp_path: Path) -> None:
    hands = Hands()
    kept = store(tmp_path, hands)
    person = StoredPerson(kept)
    for question in (ASKED, OTHER):
        await person.ask(question)
    kept.answer(ASKED.digest, YES)
    assert await person.ask(ASKED) == YES
    hands.now += 61
    assert await person.ask(ASKED) == YES
    late = await person.ask(OTHER)
    assert late is not None
    assert await person.ask(OTHER) == late


async def test_an_answer_serves_nothing_else(tmp_path: Path) -> None:
    person, kept = StoredPerson(store(tmp_path)), store(tmp_path)
    await person.ask(ASKED)
    await person.ask(OTHER)
    kept.answer(ASKED.digest, YES)
    assert await person.ask(OTHER) is None
    assert await person.ask(ASKED) == YES


async def test_silence_becomes_a_no_and_so_does_a_yes_that_nobody_used(tmp_path: Path) -> None:
    hands = Hands()
    kept = store(tmp_path, hands)
    person = StoredPerson(kept)
    await person.ask(ASKED)
    await person.ask(OTHER)
    kept.answer(OTHER.digest, YES)
    hands.now += 61
    for question in (ASKED, OTHER):
        reply = await person.ask(question)
        assert reply is not None
        assert not reply.is_yes
        assert reply.by == "expiry"


async def test_what_happened_to_the_world_never_expires_into_no(tmp_path: Path) -> None:
    hands = Hands()
    kept = store(tmp_path, hands)
    await StoredPerson(kept).ask(UNKNOWN)
    hands.now += 1e9
    assert await StoredPerson(kept).ask(UNKNOWN) is None
    assert [item.question for item in kept.waiting()] == [UNKNOWN]


async def test_an_answer_is_given_once_in_time_and_to_one_question(tmp_path: Path) -> None:
    hands = Hands()
    kept = store(tmp_path, hands)
    await StoredPerson(kept).ask(ASKED)
    for nothing in ("", "zz", "%"):
        with pytest.raises(ConfigError, match="begins with"):
            kept.answer(nothing, YES)
    kept.answer("abab", NO)
    with pytest.raises(ConfigError, match="answered already"):
        kept.answer("abab", YES)
    await StoredPerson(kept).ask(OTHER)
    hands.now += 61
    with pytest.raises(ConfigError, match="is over"):
        kept.answer(OTHER.digest, YES)


async def test_somebody_here_is_asked_and_their_word_is_recorded_and_used_up(tmp_path: Path) -> None:
    here, kept = ScriptedPerson([YES]), store(tmp_path)
    assert await StoredPerson(kept, here).ask(ASKED) == YES
    assert here.asked == [ASKED]
    assert kept.waiting() == []


async def test_an_answer_from_elsewhere_counts_before_one_from_here(tmp_path: Path) -> None:
    kept = store(tmp_path)
    await StoredPerson(kept).ask(ASKED)
    kept.answer(ASKED.digest, NO)
    here = ScriptedPerson([YES])
    assert await StoredPerson(kept, here).ask(ASKED) == NO
    assert here.asked == []


def test_a_folder_that_cant_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"runs can't be kept in .*approvals.sqlite"):
        ApprovalStore(tmp_path / "file" / "approvals.sqlite")
