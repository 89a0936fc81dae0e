"""The commands that only look: runs, show, plan, doctor, init, calls."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from nebulus.cli.options import ConfigOption, JsonOption, RunArgument, WorkspaceOption, examples

HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus runs": "the newest fifty: how they ended, since when",
                "nebulus runs --limit 10 --after 20260101-120000-ab12": "ten more, older than that one",
                "nebulus runs --json | jq '.[0].run_id'": "the newest, for a script",
            }
        )
    )(runs)
    app.command(
        epilog=examples(
            {
                "nebulus show 20260101-120000-ab12": "step by step",
                "nebulus show 20260101-120000-ab12 --why": "why it ended as it did, on a page",
                "nebulus show 20260101-120000-ab12 --verdicts": "every call that was judged, and by which rule",
                "nebulus show 20260101-120000-ab12 --prompts --answers": "what each model was asked and wrote",
                "nebulus show 20260101-120000-ab12 --journal": "the record itself, one JSON object a line",
            }
        )
    )(show)
    app.command(
        epilog=examples(
            {"nebulus plan tidy.md": "goal, steps, tools, checks", "nebulus plan - < tidy.md": "from stdin"}
        )
    )(plan)
    app.command(
        epilog=examples(
            {"nebulus doctor": "for you", "nebulus doctor --json": "for a script, or a report of a defect"}
        )
    )(doctor)
    app.command(
        epilog=examples(
            {
                "nebulus init": "here",
                "nebulus init --workspace project --force": "there, over the old one",
                "nebulus init --user": "for every folder",
            }
        )
    )(init)
    calls = typer.Typer(
        no_args_is_help=True,
        help="What the reader of calls makes of a model's answer: `nebulus calls read --tools tools.json < answer.txt`.",
    )
    calls.command(
        name="read",
        epilog=examples(
            {
                "nebulus calls read --tools tools.json < answer.txt": "one answer",
                "nebulus calls read --tools tools.json --jsonl < answers.jsonl": "many, one a line",
            }
        ),
    )(read_calls)
    app.add_typer(calls, name="calls")


def runs(
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="List at most this many.")] = 50,
    after: Annotated[
        str, typer.Option("--after", help="List those that are older than the run of this name.")
    ] = "",
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a folder, newest first."""
    from nebulus.cli import kept_runs
    from nebulus.cli.console import stderr
    from nebulus.cli.view import open_view

    with open_view(workspace, config, as_json=as_json) as view:
        found = asyncio.run(kept_runs.list_runs(view.settings, workspace, limit=limit, after=after))
        rows = [kept_runs.run_row(listed) for listed in found]
        view.show(found, kept_runs.list_lines, document=rows)
        if as_json:
            return
        if not found:
            stderr().print("No runs here; `nebulus run` begins one.")
        elif len(found) == limit:
            stderr().print(f"There may be more: --after {found[-1].info.run_id}", markup=False)


def show(
    run_id: RunArgument,
    *,
    verdicts: Annotated[
        bool,
        typer.Option("--verdicts", help="Only what was judged, with labels, rules and levels: the audit."),
    ] = False,
    why: Annotated[bool, typer.Option("--why", help="Only why it ended as it did.")] = False,
    prompts: Annotated[
        bool,
        typer.Option("--prompts", help="Only what models were asked, recomposed from the journal."),
    ] = False,
    answers: Annotated[
        bool, typer.Option("--answers", help="Only what models wrote, verbatim; also with --prompts.")
    ] = False,
    journal: Annotated[bool, typer.Option("--journal", help="The record itself, as JSON lines.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every route, verdict and recovery, too.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a run as a person would: each step, what was proposed, judged and done, at what cost.

    --verdicts is the audit: every call that was judged, where each of its values came from and whether it
    was endorsed, the rule or the person that decided, the policy's digest and the sandbox's level.

    A journal contains no prompts. --prompts composes each again from what was recorded before it, and
    says so where its size is not that of the prompt that was sent, as it can be after an upgrade.

    It only looks, also at a run that is under way. --journal shows the numbered records, chained by digest,
    so that two exports of one run agree up to where the shorter one ends; a journal of any version.
    """
    from nebulus.cli import kept_runs
    from nebulus.cli.place import again
    from nebulus.cli.view import open_view
    from nebulus.report.audit import audit_lines, audit_rows
    from nebulus.report.prompts import all_lines, asked_row
    from nebulus.report.timeline import run_lines, why_lines

    resume = again(run_id, workspace)
    with open_view(workspace, config, as_json=as_json) as view:
        if journal:
            records = asyncio.run(kept_runs.read_journal(run_id, view.settings, workspace))
            kept_runs.write_journal(records, as_json=as_json)
            return
        if prompts or answers:
            asked = asyncio.run(kept_runs.read_asked(run_id, view.settings, workspace))
            what = {"prompt": prompts, "answer": answers}
            rows = [asked_row(one, **what) for one in asked]
            view.show(asked, lambda asked: all_lines(asked, **what), document=rows)
            return
        report = asyncio.run(kept_runs.read_report(run_id, view.settings, workspace))
        if verdicts:
            view.show(report, audit_lines, document=audit_rows(report))
        elif why:
            view.show(report, lambda report: why_lines(report, resume=resume))
        else:
            view.show(report, lambda report: run_lines(report, resume=resume, is_verbose=verbose))


def plan(
    file: Annotated[Path, typer.Argument(help="A runbook, or - for stdin.")],
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a runbook and show how it was understood, without running it."""
    from nebulus.cli import kept_runs
    from nebulus.cli.run_commands import goal_text
    from nebulus.cli.view import open_view
    from nebulus.report.timeline import plan_lines

    with open_view(workspace, config, as_json=as_json) as view:
        text = goal_text("-", None) if str(file) == "-" else goal_text("", file)
        goal, understood = asyncio.run(kept_runs.understood(text, view.settings, workspace))
        document = {"goal": goal, "plan": understood}
        view.show(understood, lambda plan: plan_lines(goal, plan), document=document)


def doctor(
    *, workspace: WorkspaceOption = HERE, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Say what is on this machine, and what to fix. Ends with 2 if no run could begin here.

    Looks at Python and packages, llama.cpp, the bundled model, servers on the usual ports with their models
    and windows, the settings with each tier, the sandbox (by trying it), and where runs are kept.
    """
    from nebulus.cli.console import reporting, show_json, stdout
    from nebulus.cli.console import show as show_lines
    from nebulus.cli.doctor import Health, examine, health_lines
    from nebulus.cli.exits import Exit

    with reporting(as_json=as_json):
        found = asyncio.run(examine(workspace, config))
        code = Exit.USAGE if any(item.health is Health.BAD for item in found) else Exit.DONE
        if as_json:
            show_json({"findings": found, "exit_code": int(code)})
        else:
            show_lines(health_lines(found), stdout())
        raise typer.Exit(code)


def init(
    *,
    workspace: WorkspaceOption = HERE,
    user: Annotated[
        bool, typer.Option("--user", help="Write your own file, whose settings count in every folder.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a nebulus.toml that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a commented nebulus.toml for what was found on this machine."""
    from nebulus.app.settings_layers import user_settings_path
    from nebulus.cli.console import reporting, show_json
    from nebulus.cli.starting_file import write_starting_file

    with reporting(as_json=as_json):
        folder = user_settings_path().parent if user else workspace
        if user:
            folder.mkdir(parents=True, exist_ok=True)
        path, tiers, missing = asyncio.run(write_starting_file(folder, is_forced=force))
        if as_json:
            show_json({"path": str(path), "tiers": tiers})
        else:
            print(f"wrote {path} with {', '.join(tiers)}; read it, then `nebulus doctor`")
            if missing:
                print(missing)


def read_calls(
    *,
    tools: Annotated[
        Path | None, typer.Option("--tools", help="The tools on offer: a JSON list of tool definitions.")
    ] = None,
    jsonl: Annotated[
        bool,
        typer.Option("--jsonl", help="Read one answer a line as a JSON object, write one reading a line."),
    ] = False,
    evidence: Annotated[
        str,
        typer.Option(
            "--evidence",
            help="Accept calls on this evidence: unmarked, marked, opens, announced, whole, or effect (what each tool's effect needs).",
        ),
    ] = "effect",
    as_json: JsonOption = False,
) -> None:
    """Read a model's answer from stdin: the calls that are meant and valid, or what is wrong.

    Ends with 0 if there are calls or words, with 6 if there is a finding. Tools are written as for OpenAI,
    Anthropic or MCP. With --jsonl each line is an object with text or message, and optionally id, tools
    and finish_reason; findings are in the lines that are written, and it ends with 0.
    """
    from nebulus.cli.calls import read_stdin
    from nebulus.cli.console import reporting

    with reporting(as_json=as_json):
        read_stdin(tools, is_lines=jsonl, as_json=as_json, evidence=evidence)
