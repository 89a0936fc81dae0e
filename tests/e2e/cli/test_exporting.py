"""Runs leave as journals, traces and training data."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nebulus.cli.main import app
from tests.unit.cli.runs import YES, carry_out

SECRET = "correct-horse-battery"


pytestmark = pytest.mark.e2e


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one run, on SQLite."""
    monkeypatch.chdir(tmp_path)
    carry_out(tmp_path, replies=(YES,), engine=".nebulus/runs.sqlite", text=f"hello {SECRET}")
    return tmp_path


def exported(*arguments: str) -> list[Any]:
    result = CliRunner().invoke(app, ["export", *arguments])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_journal_leaves_record_by_record_with_the_name_of_its_run(folder: Path) -> None:
    rows = exported("tidy")
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["run_id"] for row in rows} == {"tidy"}
    assert rows == exported()


def test_traces_are_one_document_that_a_collector_takes(folder: Path) -> None:
    (document,) = exported("--format", "otlp")
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    names = [span["name"] for span in spans]
    assert "invoke_agent nebulus" in names
    assert "execute_tool delete_file" in names
    starts = [int(span["startTimeUnixNano"]) for span in spans]
    assert min(starts) > 10**18
    assert SECRET not in json.dumps(document)


def test_training_data_is_a_chat_for_each_model_call_with_its_outcome_and_no_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", SECRET)
    (folder / "nebulus.toml").write_text("[secrets]\nMY_SECRET = []\n")
    rows = exported("--format", "training")
    assert len(rows) == 3
    assert [row["messages"][-1]["tool_calls"][0]["function"]["name"] for row in rows] == [
        "read_file",
        "write_file",
        "delete_file",
    ]
    assert {row["label"]["outcome"] for row in rows} == {"done"}
    assert {row["label"]["parsed"] for row in rows} == {"CallsParsed"}
    assert all(row["is_as_sent"] for row in rows)
    assert "read_file" in [tool["function"]["name"] for tool in rows[0]["tools"]]
    assert SECRET not in json.dumps(rows)


def test_a_folder_without_runs_is_an_error_and_gets_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["export"]).exit_code == 7
    assert not (tmp_path / ".nebulus").exists()
