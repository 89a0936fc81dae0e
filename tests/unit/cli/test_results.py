"""An answer is alone on stdout; how the run ended, and where each value was seen, is told on stderr."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec.structs import replace

from nebulus.cli.exits import Exit
from nebulus.cli.live_runs import Work, finish
from nebulus.cli.results import requested_result
from nebulus.core.errors import ConfigError
from nebulus.core.outcome import Done, Proof
from nebulus.core.provenance import Origin, Provenance
from nebulus.core.result import FieldSource, Result, ResultSpec
from nebulus.report.run import RunReport, report_run
from tests.unit.loop import scenario as sc

TEXT = ResultSpec()
TOOL = Provenance((Origin("tool", "look", "c2"),), is_trusted=True)
WEATHER = Result(
    value={"celsius": 7, "place/town": "Oslo"},
    sources=(
        FieldSource(path="/celsius", is_proven=True, provenance=TOOL, seen_in="step 1 celsius"),
        FieldSource(path="/place~1town", is_proven=False),
    ),
)


def ended(
    result: Result | None, *, proof: Proof = Proof.CLAIMED, spec: ResultSpec | None = TEXT
) -> RunReport:
    """Return the report of a run that was asked for an answer and ended with `result`."""
    report = report_run("one", sc.begun(sc.step(1, "Use look"), result=spec).events)
    return replace(report, outcome=Done(proof=proof, summary="1 step done", result=result))


def finished(report: RunReport, **how: Any) -> Exit:
    with pytest.raises(typer.Exit) as left:
        finish(report, Work(folder=Path(), **how))
    return Exit(left.value.exit_code)


def test_a_text_is_written_as_it_is_and_nothing_else_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert finished(ended(Result(value="7 degrees.\nWarm enough."))) is Exit.DONE
    out, err = capsys.readouterr()
    assert out == "7 degrees.\nWarm enough.\n"
    assert "Done, but claimed" in err
    assert "7 degrees" not in err


def test_json_is_one_line_and_each_value_is_told_with_where_it_was_seen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finished(ended(WEATHER))
    out, err = capsys.readouterr()
    assert out == '{"celsius":7,"place/town":"Oslo"}\n'
    assert "✓ /celsius 7: seen in step 1 celsius" in err
    assert '~ /place~1town "Oslo": claimed, seen nowhere' in err


def test_quiet_leaves_the_answer_alone(capsys: pytest.CaptureFixture[str]) -> None:
    finished(ended(WEATHER), is_quiet=True)
    assert capsys.readouterr().err == ""


def test_without_an_answer_stdout_is_empty_and_stderr_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    report = replace(ended(None), outcome=None)
    assert finished(report, is_quiet=True) is Exit.INTERRUPTED
    out, err = capsys.readouterr()
    assert out == ""
    assert "not ended" in err


def test_a_run_that_is_asked_for_nothing_tells_its_end_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    finished(ended(None, spec=None))
    out, err = capsys.readouterr()
    assert out.startswith("Done, but claimed")
    assert err == ""


def test_the_document_has_the_answer_its_sources_and_who_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert finished(ended(WEATHER), as_json=True, requires_proof=True) is Exit.CLAIMED
    document = json.loads(capsys.readouterr().out)
    assert document["answer"] == {"celsius": 7, "place/town": "Oslo"}
    assert [(source["path"], source["is_proven"]) for source in document["sources"]] == [
        ("/celsius", True),
        ("/place~1town", False),
    ]
    assert (document["proof"], document["exit_code"]) == ("claimed", 8)


@pytest.mark.parametrize(("content", "said"), [(None, "can't be read"), ("[1]", "is not a JSON Schema")])
def test_a_schema_that_cant_be_read_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "schema.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        requested_result(str(path))


def test_text_is_asked_for_by_its_name_and_nothing_by_none() -> None:
    assert requested_result("") is None
    asked = requested_result("text")
    assert asked is not None
    assert asked.is_text
