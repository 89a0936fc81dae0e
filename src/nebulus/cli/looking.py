"""Looking at runs and runbooks without running anything."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from nebulus.app import bootstrap
from nebulus.app.application import open_application
from nebulus.app.settings import Settings
from nebulus.cli.ending import ending, headline
from nebulus.cli.marks import IN_PROGRESS, MARKS, STATES
from nebulus.cli.narrate import Said
from nebulus.cli.place import again, has_runs, require_runs
from nebulus.cli.story import Chapter, Story
from nebulus.cli.words import Line, cost, counted, one_line, safe
from nebulus.cli.working import story_of
from nebulus.core.journal import Record
from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.loop.stepping import describe
from nebulus.ports.engine import RunInfo, RunStatus
from nebulus.runtime.supervise import read_outcome, read_request


async def list_runs(settings: Settings, folder: Path) -> list[RunInfo]:
    """Return the runs that are kept for `folder`, newest first."""
    if not has_runs(settings, folder):
        return []
    async with open_application(settings, folder) as application:
        supervisor = application.supervisor
        return [await supervisor.info(info.run_id) for info in await supervisor.runs()]


async def read_story(run_id: str, settings: Settings, folder: Path) -> Story:
    """Return a run's story.

    Raises:
        RunUnknownError: no such run.
    """
    require_runs(settings, folder)
    async with open_application(settings, folder) as application:
        return await story_of(application.supervisor, run_id)


async def read_journal(run_id: str, settings: Settings, folder: Path) -> list[Record]:
    """Return a run's journal.

    Raises:
        RunUnknownError: no such run.
    """
    require_runs(settings, folder)
    async with open_application(settings, folder) as application:
        return await application.supervisor.journal(run_id)


async def cancel(run_id: str, settings: Settings, folder: Path) -> RunInfo:
    """Ask a run to stop between two steps, and return how it stands then.

    Raises:
        RunUnknownError: no such run.
    """
    require_runs(settings, folder)
    async with open_application(settings, folder) as application:
        await application.supervisor.cancel(run_id)
        return await application.supervisor.info(run_id)


def write_journal(records: Iterable[Record]) -> None:
    """Write records to stdout, one JSON object a line."""
    for record in records:
        sys.stdout.write(msgspec.json.encode(record).decode() + "\n")


async def understood(text: str, settings: Settings, folder: Path) -> tuple[Goal, Plan]:
    """Return how a runbook is understood with the tools that a run in `folder` would have.

    Raises:
        ConfigError: the text says nothing, or something in it can't be understood.
    """
    goal, plan = read_runbook(text)
    async with bootstrap.tools({"workspace": str(folder)}, (), settings) as kit:
        return goal, with_implied_checks(plan, [tool.spec for tool in kit.tools])


def run_row(info: RunInfo) -> dict[str, object]:
    """Return one run for a list."""
    request = read_request(info.request)
    outcome = read_outcome(info)
    return {
        "run_id": info.run_id,
        "status": info.status,
        "outcome": type(outcome).__name__ if outcome else "",
        "created_s": info.created_s,
        "updated_s": info.updated_s,
        "steps": len(request.plan.steps),
        "goal": one_line(request.goal.text, 200),
    }


def run_line(info: RunInfo) -> Line:
    """Return one run as a line: its name, how it stands, when it began, what it is for."""
    outcome = read_outcome(info)
    state = headline(outcome) if info.status is RunStatus.ENDED else Line(_STATES[info.status])
    word = state.text.partition(":")[0].partition(",")[0]
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.created_s))
    goal = one_line(read_request(info.request).goal.text, 60)
    return Line(f"{safe(info.run_id):<24} {word:<12} {when}  {goal}", state.style)


_STATES = {
    RunStatus.RUNNING: "running",
    RunStatus.INTERRUPTED: "interrupted",
    RunStatus.CANCELLED: "cancelled",
    RunStatus.ENDED: "ended",
}


def story_lines(story: Story, folder: Path, *, is_verbose: bool = False) -> list[Line]:
    """Return a run as a person would read it: each step, what was proposed, judged, done, at what cost."""
    lines = [Line(f"Run {safe(story.run_id)}", "bold"), *_frame(story.chapters[0])]
    for chapter in story.chapters[1:]:
        lines += _chapter(chapter, is_verbose=is_verbose)
    if story.unenforced:
        unenforced = ", ".join(map(safe, story.unenforced))
        lines.append(Line(f"Held by validation alone, by no grammar: {unenforced}", "dim"))
    return [*lines, Line(""), *ending(story, again=again(story.run_id, folder))]


def why_lines(story: Story, folder: Path) -> list[Line]:
    """Return why a run ended as it did, on one page: the last step as it went, then the ending."""
    last = next((chapter for chapter in reversed(story.chapters[1:]) if chapter.said), None)
    lines = ending(story, again=again(story.run_id, folder))
    if last is None:
        return lines
    return [*lines, Line(""), Line("The last step, as it went:", "bold"), *_chapter(last, is_verbose=True)]


def plan_lines(goal: Goal, plan: Plan) -> list[Line]:
    """Return how a runbook was understood."""
    lines = [Line("Goal", "bold"), *(Line(f"  {safe(line)}") for line in goal.text.splitlines())]
    lines += _listed("Always", goal.constraints)
    if not plan.steps:
        lines.append(Line("No steps: the planning tier will be asked for a plan.", "yellow"))
    else:
        lines.append(Line(counted(len(plan.steps), "step").capitalize(), "bold"))
    for step in plan.steps:
        lines += _planned(step)
    return lines + _listed("Done when", tuple(describe(check) for check in goal.checks))


def _planned(step: Step) -> list[Line]:
    lines = [Line(f"  {step.number:>2}. {safe(step.text)}")]
    if step.tools:
        lines.append(Line(f"      may use: {', '.join(step.tools)}", "dim"))
    for name, meaning in step.reads.items():
        lines.append(Line(f"      reads {safe(name)}: {safe(meaning)}", "dim"))
    if not step.checks:
        lines.append(Line("      no check: the model's word will count", "yellow"))
    for check in step.checks:
        note = " (implied by the tool that the text names)" if isinstance(check, ToolSucceeded) else ""
        lines.append(Line(f"      done when: {safe(describe(check))}{note}", "dim"))
    return lines


def _listed(title: str, items: Iterable[str]) -> list[Line]:
    rows = [Line(f"  - {safe(item)}") for item in items]
    return [Line(title, "bold"), *rows] if rows else []


def _frame(chapter: Chapter) -> list[Line]:
    return [_said(said) for said in chapter.said]


def _chapter(chapter: Chapter, *, is_verbose: bool) -> list[Line]:
    mark, style = STATES[chapter.status]
    spent = f"  ({cost(chapter.spent)})" if chapter.said else ""
    said = [item for item in chapter.said if is_verbose or item.kind in IN_PROGRESS]
    return [
        Line(f"{mark} {chapter.number:>2}. {one_line(chapter.text)}{spent}", style),
        *(_said(item) for item in said),
    ]


def _said(said: Said) -> Line:
    mark, style = MARKS[said.kind]
    return Line(f"      {mark} {said.text}", style)
