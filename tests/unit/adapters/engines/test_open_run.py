"""The replay of an open run, without any engine."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.engines.open_run import SLEEP, Entry, JournaledRun, cut, results, text_of
from nebulus.core.errors import ConfigError, JournalError, RunCancelledError, StoreError

journals = st.lists(st.booleans().map(lambda is_sleep: Entry(SLEEP, "1.0") if is_sleep else Entry("s", "1")))


class Page:
    """The journal writer of these tests."""

    def __init__(self) -> None:
        self.written: list[Entry] = []
        self.is_stopping = False

    async def write(self, entry: Entry) -> None:
        self.written.append(entry)

    async def stop_asked(self) -> bool:
        return self.is_stopping


class StillClock:
    """Time passes only in sleep; `on_sleep` says how much."""

    def __init__(self) -> None:
        self.time_s = 100.0
        self.naps: list[float] = []

    def now_s(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.time_s += seconds


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


def opened(entries: Sequence[Entry], page: Page, clock: StillClock | None = None) -> JournaledRun:
    return JournaledRun("run", entries, writer=page, clock=clock or StillClock())


async def one() -> bytes:
    return b"1"


async def never() -> bytes:
    raise AssertionError("performed a recorded step")


@given(journals, st.integers(0, 20))
def test_a_cut_journal_keeps_the_first_steps_and_is_a_beginning(journal: list[Entry], keep: int) -> None:
    kept = cut(journal, keep)
    assert list(kept) == journal[: len(kept)]
    assert len(results(kept)) == min(keep, len(results(journal)))
    if keep < len(results(journal)):
        assert not kept or kept[-1].name != SLEEP
    else:
        assert list(kept) == journal
    assert cut(journal, None) == journal


def test_less_than_nothing_can_not_be_kept() -> None:
    with pytest.raises(ConfigError, match="keep=-2"):
        cut([], -2)


def test_sleeps_are_not_results() -> None:
    assert results([Entry("a", "1"), Entry(SLEEP, "5.0"), Entry("b", '"ü"')]) == (b"1", '"ü"'.encode())


def test_bytes_that_are_not_text_are_named() -> None:
    with pytest.raises(StoreError, match="the answer is not UTF-8"):
        text_of(b"\xc3", "the answer")


async def test_the_past_is_replayed_and_only_what_is_new_is_written(page: Page) -> None:
    run = opened([Entry("a", "7"), Entry("b", "8")], page)
    assert run.past == (b"7", b"8")
    assert [await run.step("a", never), await run.step("b", never)] == [b"7", b"8"]
    assert await run.step("c", one) == b"1"
    assert page.written == [Entry("c", "1")]
    run.finish()


async def test_another_name_is_refused_with_the_place_and_the_way_out(page: Page) -> None:
    run = opened([Entry("a", "7"), Entry(SLEEP, "1.0"), Entry("b", "8")], page)
    await run.step("a", never)
    await run.sleep(0)
    with pytest.raises(JournalError, match=r"record 3 of run 'run' is 'b', but .* asks for 'x'.* keep=1"):
        await run.step("x", never)


async def test_a_sleep_is_not_mistaken_for_a_step(page: Page) -> None:
    with pytest.raises(JournalError, match="call the step something else"):
        await opened([], page).step(SLEEP, one)
    with pytest.raises(JournalError, match=r"is 'a', but the run now asks for 'nebulus.sleep'"):
        await opened([Entry("a", "7")], page).sleep(1)


async def test_a_run_that_left_records_unread_has_not_finished(page: Page) -> None:
    run = opened([Entry("a", "7"), Entry("b", "8")], page)
    await run.step("a", never)
    with pytest.raises(JournalError, match=r"ended after 1 records, but 2 .* the next is 'b'"):
        run.finish()


async def test_a_stop_is_heard_before_the_next_new_step_and_not_while_the_past_lasts(page: Page) -> None:
    page.is_stopping = True
    run = opened([Entry("a", "7")], page)
    assert await run.step("a", never) == b"7"
    with pytest.raises(RunCancelledError, match="before step 'b'"):
        await run.step("b", never)
    with pytest.raises(JournalError, match="'b' raised RunCancelledError"):
        await run.step("b", one)


async def test_a_sleep_is_written_before_it_begins_and_listens_meanwhile(
    page: Page, clock: StillClock
) -> None:
    await opened([], page, clock).sleep(2.5)
    assert page.written == [Entry(SLEEP, json.dumps(102.5))]
    assert clock.naps == [1.0, 1.0, 0.5]


async def test_a_clock_that_was_set_back_does_not_make_a_sleep_longer(page: Page, clock: StillClock) -> None:
    await opened([Entry(SLEEP, "5000.0")], page, clock).sleep(1.5)
    assert clock.naps == [1.0, 0.5]
