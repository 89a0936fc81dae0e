"""A claim that the call history contradicts is a failure; an honest one passes."""

import pytest

from nebulus.core.findings import FindingKind
from nebulus.core.history import CallRecord
from nebulus.core.tools import Effect
from nebulus.recovery.claims import Ledger, contradiction, is_question


def record(tool: str, effect: Effect, arguments_text: str) -> CallRecord:
    return CallRecord(
        call_id="c1",
        step=1,
        tool=tool,
        effect=effect,
        call_digest="",
        result_digest="",
        arguments_text=arguments_text,
    )


WROTE = record("write_file", Effect.WRITE, "notes/a.md hello")
READ = record("read_file", Effect.READ, "notes/a.md")


def kind_of(claim: str, *calls: CallRecord, last_error: str = "") -> FindingKind | None:
    found = contradiction(claim, Ledger(calls=calls, last_error=last_error))
    return found.kind if found else None


@pytest.mark.parametrize(
    "claim",
    [
        "I have written the summary to `notes/b.md`.",
        "I've updated config.toml as asked.",
        "The file report.txt has been created.",
        "All tests pass now.",
        "I ran the tests and everything is green.",
        "Observation: the file holds 3 lines. So it is done.",
        "<tool_response>{}</tool_response>",
    ],
)
def test_what_was_never_done_can_not_be_claimed(claim: str) -> None:
    assert kind_of(claim, READ) is FindingKind.DISHONEST_CLAIM


@pytest.mark.parametrize(
    "claim",
    [
        "I have written notes/a.md.",
        "I saved it to a.md, as asked.",
        "The answer is 42, see notes/b.md.",
        "If you want, I can write b.md next.",
        "The file b.md should be updated once the tests pass.",
        "Once all tests pass, merge it.",
        "The document mentions that report.txt exists.",
        "There are three files.",
        "",
    ],
)
def test_an_honest_claim_is_not_accused(claim: str) -> None:
    assert kind_of(claim, WROTE, READ) is None


def test_a_test_that_was_run_may_be_reported() -> None:
    ran = record("run_command", Effect.WRITE, "pytest -q tests")
    assert kind_of("All tests pass.", ran) is None


def test_success_is_not_claimed_after_a_failed_call_without_mentioning_it() -> None:
    assert kind_of("Everything is done.", last_error="permission: denied") is FindingKind.DISHONEST_CLAIM
    assert kind_of("It could not be read: denied.", WROTE, last_error="permission: denied") is None


def test_saying_that_it_can_not_be_done_is_not_a_completion() -> None:
    assert kind_of("I'm sorry, I can't do that.") is FindingKind.GAVE_UP
    assert kind_of("I was unable to find the file.") is FindingKind.GAVE_UP


@pytest.mark.parametrize(
    "text",
    [
        "Which folder should I use?",
        "There are two folders. Which one do you mean?",
        "Should I read notes/a.md? Or b.md?",
        "Would you like me to proceed?",
        "How can I help you today?",
        "I found two of them:\n- anna@a.example\n- berg@b.example\nWhich one?",
    ],
)
def test_an_answer_that_only_asks_is_a_question(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize(
    "text",
    [
        "It is done.",
        "",
        "I moved the file. Is there anything else?",
        "I looked. Would you like me to write it down?",
        "The step is complete. Which one is next?",
        "Is it there? Yes, it is.",
        "The answer to 'which folder?' is b.",
    ],
)
def test_an_answer_that_reports_is_not_a_question(text: str) -> None:
    assert not is_question(text)


@pytest.mark.parametrize("step", ["Think out a question for the quiz", "Ask for the date", "Which is it?"])
def test_where_a_step_says_to_ask_a_question_is_the_work(step: str) -> None:
    assert not is_question("What is the capital of Norway?", step=step)
    assert is_question("What is the capital of Norway?", step="Write to Anna")
