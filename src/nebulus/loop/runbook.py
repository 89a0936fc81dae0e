"""A runbook: a goal and numbered steps in plain text or Markdown, as a person writes them.

    Tidy the inbox of the project.

    Constraints:
    - never touch archive/2019

    1. Use list_files on inbox
    2. Move inbox/a.md to archive/a.md
       - check: exists archive/a.md
       - tools: move_file
       - read weight: what the parcel weighs
    3. List archive
       - after: 1

    Checks:
    - absent inbox/a.md
    - contains archive/a.md: May report

Without numbers, a list is a list of steps if it is under a heading "Steps:", if it is a to-do list (`- [ ] …`; what is
ticked is left out), or if each of its items begins "Use some_tool". Any other list is part of the goal.

Invariants: the text of the goal, the constraints and the steps is kept as written; a line that looks like a
setting and can't be understood is an error with its number, never ignored.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from nebulus.core.errors import ConfigError
from nebulus.core.plan import (
    Check,
    FileContains,
    Goal,
    Named,
    PathAbsent,
    PathExists,
    Plan,
    Step,
    ToolSucceeded,
)
from nebulus.core.tools import ToolSpec
from nebulus.memory.offer import named_tools

_STEP = re.compile(r"^\s{0,3}(\d{1,4})[.)]\s+(\S.*)$")
_SETTING = re.compile(r"^\s+[-*]\s+(check|tools?|after|read\s+\w+)\s*:\s*(\S.*)$", re.IGNORECASE)
_SECTION = re.compile(r"^(?:#+\s*)?(constraints|checks|steps|plan|runbook|goal)\s*:?$", re.IGNORECASE)
_TO_DO = re.compile(r"^\[(?P<mark>[ xX])\]\s+(?P<text>\S.*)$")
_USE = re.compile(r"^use\s+`?(?P<tool>[A-Za-z]\w*_\w+)`?(?=\s|$|[,:(])", re.IGNORECASE)
"""How a step names its tool in so many words: a name with an underscore is not an English word."""
_BULLET = re.compile(r"^\s*[-*]\s+(\S.*)$")
_ITEM = re.compile(r"^[-*+]\s+(\S.*)$")
_HEADING = re.compile(r"^#+\s*")
_CHECK = re.compile(r"^(?P<kind>[a-z_]+)\s+(?P<rest>\S.*)$", re.IGNORECASE)
_CHECK_FORMS = "exists PATH, absent PATH, contains PATH: TEXT, called TOOL, named NAME"


def read_runbook(text: str) -> tuple[Goal, Plan]:
    """Return the goal and the plan in `text`; a plan without steps if it has none.

    Raises:
        ConfigError: the text is empty, or a check or a step's number can't be understood.
    """
    if not text.strip():
        raise ConfigError("the goal is empty", fix="say in a sentence what should be true at the end")
    reader = _Reader()
    for number, line in enumerate(_numbered(text.splitlines()), start=1):
        reader.take(line.rstrip(), number)
    goal = Goal(
        text=reader.goal_text() or "Carry out the plan.",
        constraints=tuple(reader.constraints),
        checks=tuple(reader.checks),
    )
    return goal, Plan(tuple(reader.steps))


def _numbered(lines: list[str]) -> list[str]:
    """Return `lines` with the items of a list of steps numbered, if they are one without numbers."""
    if any(_STEP.match(line) for line in lines):
        return lines
    items = _items_of(lines)
    kept, count, is_left_out = list(lines), 0, False
    for place, line in enumerate(lines):
        if place in items:
            to_do = _TO_DO.match(items[place])
            is_left_out = to_do is not None and to_do["mark"] != " "
            count += not is_left_out
            kept[place] = f"{count}. {to_do['text'] if to_do else items[place]}"
        is_left_out = is_left_out and (place in items or line.startswith((" ", "\t")))
        if is_left_out:
            kept[place] = ""
    return kept


def _items_of(lines: list[str]) -> dict[int, str]:
    """Return the items of lists that are certainly steps, each with its place."""
    heading = ""
    under_heading: dict[int, str] = {}
    others: dict[int, str] = {}
    for place, line in enumerate(lines):
        section, item = _SECTION.match(line.strip()), _ITEM.match(line)
        heading = section[1].lower() if section else heading
        if item and heading not in ("constraints", "checks"):
            (under_heading if heading in ("steps", "plan", "runbook") else others)[place] = item[1]
    if under_heading:
        return under_heading
    is_steps = any(all(map(form.match, others.values())) for form in (_TO_DO, _USE))
    return others if is_steps else {}


def with_implied_checks(plan: Plan, tools: Sequence[ToolSpec], *, goal: Goal | None = None) -> Plan:
    """Return `plan` with a check added to each step that names exactly one tool: that tool must succeed.

    Raises:
        ConfigError: a step, or a check of `goal`, needs an unknown tool; or a step depends on one that does not exist
            or comes later.
    """
    known = {tool.name for tool in tools}
    for step in plan.steps:
        _require_tools((*step.tools, *_required(step.checks)), known, f"step {step.number}")
        _require_spelling(step, known)
        later = [number for number in step.depends_on if not 0 < number < step.number]
        if later:
            raise ConfigError(
                f"step {step.number} comes after step {later[0]}", fix="name only steps before it"
            )
    _require_tools(_required(goal.checks) if goal else (), known, "a check of the goal")
    return replace(plan, steps=tuple(_with_implied_check(step, tools) for step in plan.steps))


def _with_implied_check(step: Step, tools: Sequence[ToolSpec]) -> Step:
    named = named_tools(step.text, tools) or frozenset(step.tools)
    if len(named) != 1 or _required(step.checks):
        return step
    return replace(step, checks=(ToolSucceeded(next(iter(named))), *step.checks))


def _required(checks: Iterable[Check]) -> tuple[str, ...]:
    return tuple(check.tool for check in checks if isinstance(check, ToolSucceeded))


def _require_spelling(step: Step, known: Collection[str]) -> None:
    """Reject a step that begins "Use NAME", where NAME is nearly the name of a tool, and of none exactly."""
    match = _USE.match(step.text)
    if match is None or match["tool"] in known:
        return
    near = difflib.get_close_matches(match["tool"], known, n=1, cutoff=0.8)
    if near:
        raise ConfigError(
            f"step {step.number} uses the tool {match['tool']!r}, which does not exist",
            fix=f"did you mean {near[0]!r}?",
        )


def _require_tools(names: Iterable[str], known: Collection[str], who: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{who} needs the tool {name!r}, which does not exist",
                fix=f"the tools are {', '.join(sorted(known)) or 'none'}",
            )


def read_check(text: str, line: int) -> Check:
    """Return the check that `text` describes.

    Raises:
        ConfigError: it does not have the form of a check.
    """
    match = _CHECK.match(text.strip())
    kind, rest = (match["kind"].lower(), match["rest"].strip()) if match else ("", "")
    match kind:
        case "exists":
            return PathExists(_bare(rest))
        case "absent":
            return PathAbsent(_bare(rest))
        case "called":
            return ToolSucceeded(_bare(rest))
        case "named":
            return Named(_bare(rest))
        case "contains" if ":" in rest:
            path, wanted = rest.split(":", 1)
            return FileContains(_bare(path), _bare(wanted))
        case _:
            raise ConfigError(f"line {line}: {text!r} is not a check", fix=f"the forms are {_CHECK_FORMS}")


class _Reader:
    """Collects lines; the current section decides what a line means."""

    def __init__(self) -> None:
        self.section = "goal"
        self.goal_lines: list[str] = []
        self.constraints: list[str] = []
        self.checks: list[Check] = []
        self.steps: list[Step] = []

    def take(self, line: str, number: int) -> None:
        """Take one line; its number, from 1, appears in errors."""
        section, step, setting = (pattern.match(line.rstrip()) for pattern in (_SECTION, _STEP, _SETTING))
        if section:
            self.section = section[1].lower()
        elif step:
            self._begin_step(int(step[1]), step[2], number)
        elif setting and self.section == "steps" and self.steps:
            self._set(" ".join(setting[1].lower().split()), setting[2], number)
        elif self.section == "steps" and line.startswith((" ", "\t")) and line.strip():
            last = self.steps[-1] if self.steps else None
            if last is not None:
                self.steps[-1] = replace(last, text=f"{last.text} {line.strip()}")
        else:
            self._plain(line, number)

    def goal_text(self) -> str:
        """The prose before, between and after the lists, without empty edges."""
        return "\n".join(self.goal_lines).strip()

    def _begin_step(self, said: int, text: str, line: int) -> None:
        self.section = "steps"
        expected = len(self.steps) + 1
        if said != expected:
            raise ConfigError(f"line {line}: found step {said} where step {expected} is expected")
        self.steps.append(Step(number=said, text=text))

    def _set(self, name: str, value: str, line: int) -> None:
        step = self.steps[-1]
        word, _, value_name = name.partition(" ")
        if word == "read":
            self.steps[-1] = replace(step, reads=step.reads | {value_name.strip(): value})
        elif word == "after":
            self.steps[-1] = replace(step, after=_numbers(value, line))
        elif word == "check":
            self.steps[-1] = replace(step, checks=(*step.checks, read_check(value, line)))
        else:
            self.steps[-1] = replace(step, tools=_names(value.split(",")))

    def _plain(self, line: str, number: int) -> None:
        bullet = _BULLET.match(line.rstrip())
        if self.section == "constraints" and bullet:
            self.constraints.append(bullet[1])
        elif self.section == "checks" and bullet:
            self.checks.append(read_check(bullet[1], number))
        elif self.section in {"constraints", "checks"} and not line.strip():
            return
        elif line.strip() or self.goal_lines:
            self.goal_lines.append(_HEADING.sub("", line))


def _numbers(text: str, line: int) -> tuple[int, ...]:
    """Return the step numbers that `text` lists; none for "nothing"."""
    if text.strip().lower() in {"nothing", "none"}:
        return ()
    parts = [part.strip().removeprefix("step ") for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise ConfigError(
            f"line {line}: after: {text!r} does not list steps", fix="write numbers, or nothing"
        )
    return tuple(int(part) for part in parts)


def _names(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(_bare(part) for part in parts if part.strip())


def _bare(text: str) -> str:
    """Return `text` without the quotes or backticks around it."""
    stripped = text.strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "\"'`":
        return stripped[1:-1]
    return stripped
