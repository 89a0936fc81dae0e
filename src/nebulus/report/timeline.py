"""A run or a plan for a person: each step with what was proposed, judged and done, and its cost."""

from collections.abc import Iterable

from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.core.text import counted
from nebulus.loop.steps import describe
from nebulus.report.line_kinds import ReportLine
from nebulus.report.marks import MARKS, STATUS_MARKS, VERBOSE
from nebulus.report.run import RunReport, StepReport
from nebulus.report.summary import summary_lines
from nebulus.report.text import Line, format_cost, one_line, safe


def run_lines(report: RunReport, *, resume: str, is_verbose: bool = False) -> list[Line]:
    """Return a run from its goal to its summary; the verbose view includes every decision of code."""
    lines = [Line(f"Run {safe(report.run_id)}", "bold")]
    lines += _shown(report.steps[0], is_verbose=is_verbose)
    for step in report.steps[1:]:
        lines += step_lines(step, is_verbose=is_verbose)
    if report.unenforced:
        unenforced = ", ".join(map(safe, report.unenforced))
        lines.append(Line(f"Enforced only by validation, not by a grammar: {unenforced}", "dim"))
    return [*lines, Line(""), *summary_lines(report, resume=resume)]


def why_lines(report: RunReport, *, resume: str) -> list[Line]:
    """Return why a run ended as it did, on one page: the summary, then what happened in the last step."""
    last = max(report.steps[1:], key=_last_position, default=None)
    lines = summary_lines(report, resume=resume)
    if last is None or not last.lines:
        return lines
    return [
        *lines,
        Line(""),
        Line("What happened in the last step:", "bold"),
        *step_lines(last, is_verbose=True),
    ]


def _last_position(step: StepReport) -> int:
    return step.lines[-1].position if step.lines else 0


def step_lines(step: StepReport, *, is_verbose: bool) -> list[Line]:
    """Return one step: its status, text and cost, then what happened in it."""
    mark, style = STATUS_MARKS[step.status]
    spent = f"  ({format_cost(step.spent)})" if step.lines else ""
    head = Line(f"{mark} {step.number:>2}. {one_line(step.text)}{spent}", style)
    return [head, *_shown(step, is_verbose=is_verbose)]


def _shown(step: StepReport, *, is_verbose: bool) -> list[Line]:
    return [_line(line) for line in step.lines if is_verbose or line.kind not in VERBOSE]


def _line(line: ReportLine) -> Line:
    mark, style = MARKS[line.kind]
    return Line(f"      {mark} {line.text}", style)


def plan_lines(goal: Goal, plan: Plan) -> list[Line]:
    """Return a goal and a plan as they were understood."""
    lines = [Line("Goal", "bold"), *(Line(f"  {safe(line)}") for line in goal.text.splitlines())]
    lines += _listed("Always", goal.constraints)
    if not plan.steps:
        lines.append(Line("No steps: the planning tier will be asked for a plan.", "yellow"))
    else:
        lines.append(Line(counted(len(plan.steps), "step").capitalize(), "bold"))
    for step in plan.steps:
        lines += _planned(step)
    return lines + _listed("Done when", (describe(check) for check in goal.checks))


def _planned(step: Step) -> list[Line]:
    lines = [Line(f"  {step.number:>2}. {safe(step.text)}")]
    if step.after is not None:
        after = ", ".join(map(str, step.after))
        said = f"after step {after}" if after else "depends on no other step"
        lines.append(Line(f"      {said}", "dim"))
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
