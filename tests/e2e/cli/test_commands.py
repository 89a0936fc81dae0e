"""What can be typed: help that teaches, errors that explain, one JSON document, exit codes that scripts can use."""

import json
import os
import re
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner, Result

from nebulus.app.settings_file import load_settings
from nebulus.cli.exits import Exit
from nebulus.cli.main import app
from nebulus.cli.starting_file import starting_text
from nebulus.core.limits import Limits
from tests.unit.cli.runs import YES, carry_out

COMMANDS = (
    "run",
    "resume",
    "rewind",
    "cancel",
    "demo",
    "ask",
    "chat",
    "export",
    "serve",
    "connect",
    "mcp list",
    "mcp check",
    "mcp accept",
    "mcp serve",
    "probe",
    "profile list",
    "profile show",
    "profile compare",
    "profile learn",
    "forecast",
    "runs",
    "show",
    "plan",
    "doctor",
    "init",
    "calls read",
    "approvals",
    "approve",
    "deny",
    "policy check",
    "policy explain",
    "policy test",
    "policy schema",
    "trust",
    "verify",
    "models list",
    "models pull",
    "models rm",
)


def nebulus(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that failed, one that is done and one that is blocked.

    They begin in the order of their names, by which those of one second are listed.
    Made before any command: the engine's library keeps the stderr that it first sees, and a runner's closes.
    """
    folder = tmp_path_factory.mktemp("home")
    url = ".nebulus/runs.sqlite"
    carry_out(folder, "Look.\n\n1. Use read_file with path = gone.md\n", engine=url, run_id="bad")
    carry_out(folder, replies=(YES,), engine=url, run_id="good")
    carry_out(folder, engine=url, run_id="waiting")
    return folder


def error_of(result: Result) -> dict[str, object]:
    """The one document of a failed command with --json."""
    document = json.loads(result.stdout)
    assert document["exit_code"] == result.exit_code
    return dict(document["failure"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_teaches_with_examples(command: str) -> None:
    result = nebulus(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Examples" in result.stdout
    assert f"nebulus {command}" in result.stdout


def test_every_command_is_among_those_whose_help_is_tested() -> None:
    group = typer.main.get_command(app)
    names = set(getattr(group, "commands", {}))
    assert names == {command.split()[0] for command in COMMANDS}


def test_the_version_is_printed_alone() -> None:
    assert nebulus("--version").stdout.startswith("nebulus 0.")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[tiers.small]\nmodel = 'nano'\nwindow_token = 1\n", "did you mean 'window_tokens'?"),
        ("[tiers.small]\nmodel = 'nano'\nthreads = 'two'\n", "tiers.small.threads='two'"),
        ("[budgets]\ntokens = 1\n", "did you mean 'budget'?"),
        ("tiers = [", "is not TOML"),
        ("[tiers.small]\nmodel = 'gpt'\n", "'gpt' is not a model"),
    ],
)
def test_wrong_settings_end_with_2_and_say_what_would_be_right(
    tmp_path: Path, settings: str, said: str
) -> None:
    (tmp_path / "nebulus.toml").write_text(settings)
    result = nebulus("run", "Do it.", "-C", str(tmp_path))
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / ".nebulus").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run",), "there is no goal"),
        (("run", "a", "-f", "b.md"), "both a goal and --file"),
        (("run", "-f", "gone.md"), "gone.md can't be read"),
        (("run", "x", "-C", "gone"), "is not a folder"),
        (("run", "x", "-m", "gpt"), "'gpt' is not a model"),
        (("run", "x", "-m", "nano", "--tier", "nano"), "exclude each other"),
        (("run", "x", "--tier", "smollm"), "did you mean 'smollm2'?"),
        (("plan", "gone.md"), "gone.md can't be read"),
        (("calls", "read", "--tools", "gone.json"), "gone.json can't be read"),
    ],
)
def test_a_wrong_flag_ends_with_2_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = nebulus(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    as_json = nebulus(*arguments, "--json")
    assert said in str(error_of(as_json)["what"]) + str(error_of(as_json)["fix"])
    assert as_json.stderr == ""


def test_an_empty_goal_is_refused(tmp_path: Path) -> None:
    assert nebulus("run", "-", "-C", str(tmp_path), stdin=" \n").exit_code == 2


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"no model")
    result = nebulus("run", "Do it.", "-C", str(tmp_path), "-m", str(tmp_path / "m.gguf"))
    assert result.exit_code == 2
    assert "m.gguf" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cant_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert nebulus("run", "Do it.", "-C", str(tmp_path), "-m", "nano").exit_code == 2


@pytest.mark.parametrize("command", [("show",), ("resume",), ("cancel",), ("rewind", "--step", "1")])
def test_an_unknown_run_ends_with_7(home: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    known = nebulus(command[0], "nobody", *command[1:], "-C", str(home), "--json")
    assert known.exit_code == 7
    assert "nobody" in str(error_of(known)["what"])
    nowhere = nebulus(command[0], "nobody", *command[1:], "-C", str(tmp_path), "--json")
    assert nowhere.exit_code == 7
    assert not (tmp_path / ".nebulus").exists()


def test_a_name_that_is_taken_is_refused_before_a_model_is_started(home: Path) -> None:
    result = nebulus("run", "Do it.", "--run-id", "good", "-C", str(home), "-m", "http://127.0.0.1:1#none")
    assert result.exit_code == 2
    assert "'good' exists already" in result.stderr


def test_runs_are_listed_newest_first_with_how_they_ended(home: Path) -> None:
    listed = json.loads(nebulus("runs", "-C", str(home), "--json").stdout)
    assert [(row["run_id"], row["outcome"]) for row in listed] == [
        ("waiting", "Blocked"),
        ("good", "Done"),
        ("bad", "Failed"),
    ]
    lines = nebulus("runs", "-C", str(home)).stdout.splitlines()
    assert lines[2].split()[:2] == ["bad", "Failed"]
    assert lines[0].endswith("Tidy the inbox.")


def test_runs_are_listed_by_the_page(home: Path) -> None:
    first = nebulus("runs", "-C", str(home), "--limit", "2")
    assert [line.split()[0] for line in first.stdout.splitlines()] == ["waiting", "good"]
    assert "--after good" in first.stderr
    rest = nebulus("runs", "-C", str(home), "--limit", "2", "--after", "good")
    assert [line.split()[0] for line in rest.stdout.splitlines()] == ["bad"]
    assert rest.stderr == ""


def test_a_folder_without_runs_lists_none_and_stays_empty(tmp_path: Path) -> None:
    assert json.loads(nebulus("runs", "-C", str(tmp_path), "--json").stdout) == []
    assert list(tmp_path.iterdir()) == []


def test_show_reads_a_run_as_lines_audit_reason_journal_and_json(home: Path) -> None:
    there = ("-C", str(home))
    assert '→ small proposes delete_file(path="a.md")' in nebulus("show", "good", *there).stdout
    assert "person ann" in nebulus("show", "good", *there, "--verdicts").stdout
    assert "Failed: something broke" in nebulus("show", "bad", *there, "--why").stdout
    records = [json.loads(line) for line in nebulus("show", "good", *there, "--journal").stdout.splitlines()]
    assert [record["position"] for record in records] == list(range(1, len(records) + 1))
    assert records[0]["event"]["type"] == "RunStarted"
    report = json.loads(nebulus("show", "good", *there, "--json").stdout)
    assert report["outcome"]["type"] == "Done"
    assert len(report["steps"]) == 4
    assert len(json.loads(nebulus("show", "good", *there, "--verdicts", "--json").stdout)) == 4


def test_show_composes_each_prompt_again_and_shows_each_answer_verbatim(home: Path) -> None:
    shown = nebulus("show", "good", "-C", str(home), "--prompts", "--answers").stdout
    assert shown.count("prompt, recomposed from the journal") == 3
    assert "were sent" not in shown
    assert "    Now: step 3. Use delete_file with path = a.md" in shown
    assert '  [call] delete_file {"path": "a.md"}' in shown
    rows = json.loads(nebulus("show", "good", "-C", str(home), "--prompts", "--answers", "--json").stdout)
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(row["prompt"]["is_recomposed"] and row["prompt"]["is_same_size"] for row in rows)
    assert rows[0]["answer"]["calls"] == [{"name": "read_file", "arguments": '{"path": "a.md"}'}]
    assert (
        "prompt" not in json.loads(nebulus("show", "good", "-C", str(home), "--answers", "--json").stdout)[0]
    )


def test_looking_at_a_run_changes_nothing_in_it(home: Path) -> None:
    before = nebulus("show", "waiting", "-C", str(home), "--journal").stdout
    nebulus("show", "waiting", "-C", str(home), "--why")
    assert nebulus("show", "waiting", "-C", str(home), "--journal").stdout == before


def test_a_runbook_is_shown_as_it_was_understood_without_running(tmp_path: Path) -> None:
    file = tmp_path / "tidy.md"
    file.write_text("Tidy.\n\n1. Use move_file with source = a, target = b\n   - check: exists b\n")
    result = nebulus("plan", str(file), "-C", str(tmp_path))
    assert result.exit_code == 0
    assert "move_file succeeded (implied" in result.stdout
    plan = json.loads(nebulus("plan", str(file), "-C", str(tmp_path), "--json").stdout)["plan"]
    assert [check["type"] for check in plan["steps"][0]["checks"]] == ["called", "exists"]
    assert [path.name for path in tmp_path.iterdir()] == ["tidy.md"]


def test_a_runbook_that_cant_be_understood_names_the_line(tmp_path: Path) -> None:
    result = nebulus("plan", "-", "-C", str(tmp_path), stdin="Tidy.\n\n1. Do\n   - check: exsts b\n")
    assert result.exit_code == 2
    assert "line 4" in result.stderr


def test_the_starting_file_shows_the_defaults_that_hold() -> None:
    text, _ = starting_text([])
    shown = dict(re.findall(r"^# (attempts|refusals|tool_errors) = (\d+)", text, re.MULTILINE))
    assert {name: int(value) for name, value in shown.items()} == {
        name: getattr(Limits(), name) for name in ("attempts", "refusals", "tool_errors")
    }


def test_the_starting_file_is_valid_and_names_the_ways_to_a_model_but_never_nano(tmp_path: Path) -> None:
    text, names = starting_text([])
    (tmp_path / "nebulus.toml").write_text(text)
    assert list(load_settings(None, tmp_path).tiers) == names == ["smollm2"]
    assert all(way in text for way in ("nebulus[small]", "hf:", ".gguf", "ollama:"))
    assert "nano" not in text


def test_calls_are_read_or_the_finding_is_said(tmp_path: Path) -> None:
    tools = tmp_path / "tools.json"
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    tools.write_text(json.dumps([{"type": "function", "function": {"name": "look", "parameters": schema}}]))
    good = '<tool_call>{"name": "look", "arguments": {"path": "a"}}</tool_call>'
    bad = '<tool_call>{"name": "look", "arguments": {}}</tool_call>'
    read = ("calls", "read", "--tools", str(tools))
    told = nebulus(*read, stdin=good)
    assert told.exit_code == 0
    assert 'look {"path":"a"}' in told.stdout
    assert nebulus(*read, stdin=bad).exit_code == 6
    one = json.loads(nebulus(*read, "--json", stdin=good).stdout)
    assert one["calls"] == [{"name": "look", "arguments": {"path": "a"}}]
    lines = [json.dumps({"id": number, "text": text}) for number, text in enumerate((good, bad))]
    many = nebulus(*read, "--jsonl", stdin="\n".join(lines))
    assert many.exit_code == 0
    assert [bool(json.loads(line)["finding"]) for line in many.stdout.splitlines()] == [False, True]


def test_the_reference_has_a_row_for_every_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text("utf-8")
    rows = {int(line.split("|")[1]) for line in page.splitlines() if re.match(r"\| \d+ \|", line)}
    assert rows == {int(code) for code in Exit}
