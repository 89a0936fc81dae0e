"""The audit says for every verdict what was judged, where it came from, by which rule and under which policy."""

from pathlib import Path

import pytest

from nebulus.report.audit import WIDTH, audit_lines, audit_rows
from nebulus.report.run import RunReport
from tests.unit.cli import runs
from tests.unit.cli.runs import YES, carry_out

RUNBOOK = """\
Tidy the inbox.

1. Use read_file with path = a.md
2. Use write_file with path = b.md, content = "copied from a document"
3. Use delete_file with path = a.md
"""


@pytest.fixture
def report(tmp_path: Path) -> RunReport:
    return carry_out(
        tmp_path, RUNBOOK, replies=(YES,), text="evil\u202e text that was copied from a document"
    )


def blocks(report: RunReport) -> list[list[str]]:
    text = "\n".join(line.text for line in audit_lines(report))
    return [[line.strip() for line in block.splitlines()] for block in text.split("\n\n")]


def test_every_verdict_is_a_block_with_its_rule_its_labels_its_prompt_its_policy_and_its_sandbox(
    report: RunReport,
) -> None:
    head, first, *_ = blocks(report)
    assert head == ["Run tidy: 4 verdicts"]
    assert first[0].endswith("step 1  allowed  read_file")
    assert "by         rule default.read" in first
    assert 'path       "a.md" from the user: endorsed' in first
    assert "prompt     contained no text from outside; the plan names the tool" in first
    assert first[-1].startswith("under      policy ")
    assert first[-1].endswith(", sandbox none")


def test_a_question_and_its_answer_name_the_rule_the_reason_and_the_person(report: RunReport) -> None:
    *_, asked, answered, policy = blocks(report)
    assert asked[0].endswith("step 3  asked  delete_file")
    assert any(line.startswith("by         rule default.irreversible: ") for line in asked)
    assert answered[0].endswith("step 3  yes  delete_file")
    assert answered[1:] == ["by         person ann"]
    assert policy == [f"policy {report.verdicts[0].policy_digest}"]


def test_it_fits_a_narrow_terminal_and_nothing_in_it_moves_the_cursor(tmp_path: Path) -> None:
    long = RUNBOOK.replace("copied from a document", "x" * 400 + "\u202e")
    lines = [line.text for line in audit_lines(carry_out(tmp_path, long, replies=(YES,)))]
    assert all(len(line) <= WIDTH for line in lines)
    assert all(line.isprintable() for line in lines)
    assert any("x" * 50 in line for line in lines)


def test_a_value_that_is_not_endorsed_is_named_with_its_source(tmp_path: Path) -> None:
    """The content of step 2 is what a.md contained: a document said it, and the user did not."""
    report = carry_out(tmp_path, runs.RUNBOOK, replies=(YES,))
    text = " ".join(line.text.strip() for line in audit_lines(report))
    assert 'content    "hello" from the tool read_file' in text
    assert "NOT endorsed for 'hello'" in text
    [label] = [label for row in audit_rows(report) for label in row["labels"] if not label["is_endorsed"]]
    assert (label["argument"], label["value"], label["is_trusted"]) == ("content", "hello", False)


def test_a_program_gets_every_key_of_every_verdict(report: RunReport) -> None:
    rows = audit_rows(report)
    assert [row["verdict"] for row in rows] == ["allow", "allow", "ask", "yes"]
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert rows[0]["arguments"] == {"path": "a.md"}
    assert rows[0]["labels"] == [
        {
            "argument": "path",
            "origins": [{"kind": "user", "ref": "", "call_id": ""}],
            "is_endorsed": True,
            "is_trusted": True,
            "value": "",
        }
    ]
