"""What a run did is told before it is rewound, and somebody must want to go back over it."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nebulus.cli.console import Hints
from nebulus.cli.live_runs import Work, rewind
from nebulus.cli.main import app
from nebulus.core.errors import ConfigError
from nebulus.ports.guard import PersonReply
from nebulus.testing.people import ScriptedPerson
from tests.unit.cli.runs import NO, YES, carry_out

FAILS = """\
Write it.

1. Use write_file with path = b.md, content = "hello"
   - check: contains b.md: something else
"""
NO_MODEL = "can't read the model gone.gguf"
"""What is said once the run goes on, for the model of these settings is not there."""


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with finished runs of three steps, one that waits and one that failed; their model is not there any more.

    Made before any command: the engine's library keeps the stderr that it first sees, and a runner's closes.
    """
    folder = tmp_path_factory.mktemp("back")
    url = ".nebulus/runs.sqlite"
    for run_id in ("good", "wanted", "forced", "approved"):
        carry_out(folder, replies=(YES,), engine=url, run_id=run_id)
    carry_out(folder, engine=url, run_id="waiting")
    carry_out(folder, FAILS, engine=url, run_id="bad")
    (folder / "nebulus.toml").write_text('commands = "off"\n[tiers.small]\nmodel = "gone.gguf"\n')
    return folder


def nebulus(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb"})


def journal(home: Path, run_id: str) -> str:
    return nebulus("show", run_id, "--journal", "-C", str(home)).stdout


def answered(home: Path, run_id: str, reply: PersonReply) -> tuple[str, ScriptedPerson]:
    """Rewind a finished run with somebody there; return what kept it from going on, and the person."""
    person = ScriptedPerson([reply])
    work = Work(folder=home, is_quiet=True, person=person)
    with pytest.raises(ConfigError) as error:
        asyncio.run(rewind(run_id, work, step=2, hints=Hints()))
    return str(error.value), person


def test_a_resume_goes_back_over_nothing_and_says_nothing_of_it(home: Path) -> None:
    result = nebulus("resume", "bad", "-C", str(home))
    assert NO_MODEL in result.stderr
    assert "Done since then" not in result.stderr


def test_a_rewind_says_what_was_done_and_waits_for_somebody_who_wants_it(home: Path) -> None:
    before = journal(home, "good")
    result = nebulus("rewind", "good", "--step", "2", "-C", str(home))
    assert result.exit_code == 2
    assert "write_file b.md, hello" in result.stderr
    assert "delete_file a.md" in result.stderr
    assert "2 things were done since step 2 began, and nobody said to go back" in result.stderr
    assert "--force" in result.stderr
    assert NO_MODEL not in result.stderr
    assert journal(home, "good") == before


def test_a_rewind_that_somebody_says_no_to_changes_nothing(home: Path) -> None:
    before = journal(home, "good")
    why, person = answered(home, "good", NO)
    assert "you said no" in why
    [question] = person.asked
    assert (question.text, question.arguments) == ("Go back to step 2 of good?", "--step 2")
    assert "2 things were done" in question.reason
    assert journal(home, "good") == before


def test_a_rewind_goes_on_with_a_yes(home: Path) -> None:
    why, person = answered(home, "wanted", YES)
    assert NO_MODEL in why
    assert len(person.asked) == 1


@pytest.mark.parametrize(("run_id", "flag"), [("forced", "--force"), ("approved", "--yes")])
def test_a_rewind_goes_on_without_asking_where_it_is_told_to(home: Path, run_id: str, flag: str) -> None:
    result = nebulus("rewind", run_id, "--step", "2", flag, "-C", str(home))
    assert result.stderr.index("delete_file a.md") < result.stderr.index(NO_MODEL)
    assert ("--yes says yes: rewind --step 2" in result.stderr) is (flag == "--yes")


def test_a_rewind_over_nothing_asks_nobody(home: Path) -> None:
    result = nebulus("rewind", "waiting", "--step", "3", "-C", str(home))
    assert NO_MODEL in result.stderr
    assert "Done since" not in result.stderr
