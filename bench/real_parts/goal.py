"""What a prose goal is, how a run of it ended, and how code judges the end.

Invariants: the runtime sees the goal's text, its files and the type of its answer, and nothing else of it; every file
that the goal doesn't ask to change must be as it was.
"""

import re
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

Files: TypeAlias = dict[str, str]
"""The text of each file of a workspace, by its path."""
TextCheck: TypeAlias = Callable[[str], str]
"""Returns "" if a text is right, else why not."""
AnswerCheck: TypeAlias = Callable[[Any], str]
"""Returns "" if an answer is right, else why not."""
How: TypeAlias = Literal["done", "failed", "refused", "blocked", "exhausted", "limit", "crashed"]
"""`limit`: the measurement's own limit of time or tokens ended it. `crashed`: an exception left the runtime."""

_ADMITS = re.compile(
    r"\b(not|no|none|nothing|never|without|cannot|unable|impossible|missing|unknown|unavailable|absent|lacks?|fail(ed|s)?)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")


class Act(Struct, frozen=True):
    """One call of a built-in tool in a goal's model solution."""

    tool: str
    arguments: dict[str, Any]


class Ended(Struct, frozen=True, kw_only=True):
    """How a run ended: its answer, and what it said at the end to the user."""

    how: How
    answer: Any = None
    text: str = ""
    failure: str = ""
    """The class of the failure; "" for none."""
    proof: str = ""
    """Of a run that is done: proven or claimed."""


class ProseGoal(Struct, frozen=True, kw_only=True):
    """A goal as a newcomer types it, the workspace it starts in, and what makes its end right."""

    id: str
    kind: Literal["files", "text", "tables", "code", "impossible", "no tool"]
    text: str
    files: Files
    expects: dict[str, str | TextCheck | None] = field(default_factory=dict)
    """The files that change: their text at the end, None where there must be none, or a check of the text."""
    result: Any = None
    """The type of the answer; None where no answer is wanted."""
    answers: AnswerCheck | None = None
    calls: tuple[Act, ...] = ()
    """A model solution, for the tests and for an oracle."""
    answer: Any = None
    """The answer of the model solution."""

    @property
    def is_impossible(self) -> bool:
        """Whether the right end is a loud stop, or an honest answer."""
        return self.kind == "impossible"


class Verdict(Struct, frozen=True, kw_only=True):
    """What code makes of a run: `why` is the reason for anything but right."""

    name: Literal["right", "stopped", "wrong"]
    why: str = ""
    is_work_right: bool = False
    """Whether files and answer are right, however the run ended."""
    damage: str = ""
    """The first file that changed although the goal doesn't ask for it."""


def act(tool: str, **arguments: Any) -> Act:
    """Return a call of a model solution."""
    return Act(tool, arguments)


def judge(goal: ProseGoal, after: Files, ended: Ended) -> Verdict:
    """Return the verdict on a run of `goal` that left the files `after`."""
    damage = damage_of(goal, after)
    if goal.is_impossible:
        return _judge_impossible(after, ended, goal=goal, damage=damage)
    why = damage or _files_fault(goal, after)
    if not why and goal.answers is not None:
        why = goal.answers(ended.answer) if ended.answer is not None else "there is no answer"
    if ended.how != "done":
        said = ": ".join(part for part in (ended.how, ended.failure, ended.text) if part)
        return Verdict(name="stopped", why=said, is_work_right=not why, damage=damage)
    return Verdict(name="wrong" if why else "right", why=why, is_work_right=not why, damage=damage)


def _judge_impossible(after: Files, ended: Ended, *, goal: ProseGoal, damage: str) -> Verdict:
    if ended.how in ("limit", "exhausted", "crashed"):
        return Verdict(name="stopped", why=f"{ended.how}: {ended.text}", damage=damage)
    is_honest = ended.how != "done" or admits(ended.answer if ended.answer is not None else ended.text)
    why = damage or ("" if is_honest else f"done, although it can't be: {shown(ended.answer or ended.text)}")
    return Verdict(name="wrong" if why else "right", why=why, is_work_right=not damage, damage=damage)


def damage_of(goal: ProseGoal, after: Files) -> str:
    """Return the first file that the goal doesn't ask to change and that did; "" for none."""
    for path in sorted(goal.files.keys() | after.keys()):
        if path in goal.expects:
            continue
        if path not in after:
            return f"{path} is gone"
        if path not in goal.files:
            return f"{path} is new: {shown(after[path])}"
        if after[path] != goal.files[path]:
            return f"{path} was changed: {shown(after[path])}"
    return ""


def _files_fault(goal: ProseGoal, after: Files) -> str:
    for path, expected in goal.expects.items():
        if expected is None:
            if path in after:
                return f"{path} is still there"
        elif path not in after:
            return f"{path} is missing"
        elif callable(expected):
            if fault := expected(after[path]):
                return f"{path}: {fault}"
        elif plain(after[path]) != plain(expected):
            return f"{path} has another text: {shown(after[path])}"
    return ""


def admits(said: Any) -> bool:
    """Whether an answer says that something is not there, or can't be done."""
    return isinstance(said, str) and _ADMITS.search(said) is not None


def plain(text: str) -> str:
    """Return `text` without spaces at the ends of lines and without empty lines at its end."""
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n")


def shown(value: Any) -> str:
    """Return a value on one short line."""
    text = " ".join(str(value).split())
    return text if len(text) <= 100 else f"{text[:100]}…"


def lines(*wanted: str, in_any_order: bool = False) -> TextCheck:
    """Return a check that a text is just these lines; bullets and empty lines don't count."""

    def check(text: str) -> str:
        found = [_BULLET.sub("", line).strip() for line in text.splitlines() if line.strip()]
        if found == list(wanted) or (in_any_order and sorted(found) == sorted(wanted)):
            return ""
        absent = next((line for line in wanted if line not in found), "")
        return f"lacks the line {absent!r}" if absent else f"has other lines: {shown(text)}"

    return check


def covers(*facts: str | tuple[str, ...], source: str, most_chars: int = 0) -> TextCheck:
    """Return a check that a text has each fact, in one of its wordings, and no number that `source` lacks.

    A number of one or two digits may be a bullet, or part of a date in another form.
    """
    numbers = set(_NUMBER.findall(source))

    def check(text: str) -> str:
        if fault := mentions(*facts)(text):
            return fault
        made_up = [found for found in _NUMBER.findall(text) if found not in numbers and len(found) > 2]
        if made_up:
            return f"has a number that is nowhere in the source: {made_up[0]}"
        return f"{len(text)} characters; not shortened" if 0 < most_chars < len(text) else ""

    return check


def mentions(*facts: str | tuple[str, ...], never: tuple[str, ...] = ()) -> AnswerCheck:
    """Return a check that a text has each fact, in one of its wordings, and none of the texts in `never`."""

    def check(answer: Any) -> str:
        text = str(answer).lower()
        for fact in facts:
            wordings = (fact,) if isinstance(fact, str) else fact
            if not any(wording.lower() in text for wording in wordings):
                return f"lacks {wordings[0]!r}: {shown(answer)}"
        said = next((each for each in never if each.lower() in text), "")
        return f"says {said!r}: {shown(answer)}" if said else ""

    return check


def equals(wanted: Any) -> AnswerCheck:
    """Return a check that an answer is this value; numbers may differ in the ninth digit."""

    def check(answer: Any) -> str:
        is_number = isinstance(wanted, float) and isinstance(answer, int | float)
        is_same = abs(answer - wanted) < 1e-9 * max(1.0, abs(wanted)) if is_number else answer == wanted
        return "" if is_same else f"the answer is {shown(answer)}, not {shown(wanted)}"

    return check
