"""What came of each run, as lines of JSON that are appended as runs end, and the tables made of them.

Invariant: a line is written once its run has ended, so an interrupted measurement keeps what it has, and goes on
where it was.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct, field

from bench.ceiling_parts.report import wilson


class Row(Struct, frozen=True, kw_only=True):
    """One run of a goal or a job. `item` is the goal's id, or depth/number of a job."""

    model: str
    arm: str
    item: str
    kind: str
    verdict: str
    """right, stopped or wrong."""
    why: str = ""
    is_work_right: bool = False
    damage: str = ""
    how: str = ""
    failure: str = ""
    proof: str = ""
    said: str = ""
    """What the run said at its end."""
    answers: int = 0
    prompt_tokens: int = 0
    evaluated_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0
    first_success_s: float | None = None
    """Seconds until the first call that succeeded."""
    approvals: int = 0
    failed_calls: int = 0
    calls: list[str] = field(default_factory=list)
    changed: dict[str, str | None] = field(default_factory=dict)
    """The text of each file that was changed, None for one that is gone."""
    answer: Any = None
    version: str = ""
    """The commit that was measured."""


class Records:
    """The rows of a measurement, in a file of JSON lines where one is named."""

    def __init__(self, path: Path | None, *, resumes: bool = False) -> None:
        """Open the file.

        Raises:
            SystemExit: it exists, and the measurement is not to be resumed.
        """
        self._path = path
        if path is not None and path.exists() and not resumes:
            raise SystemExit(f"{path} exists already; add --resume, or name another file")
        self.rows = rows_of(path) if path is not None and path.exists() else []
        self._known = {(row.model, row.arm, row.item) for row in self.rows}

    def has(self, model: str, arm: str, item: str) -> bool:
        """Whether this was measured already."""
        return (model, arm, item) in self._known

    def add(self, row: Row) -> None:
        """Keep a row."""
        self.rows.append(row)
        self._known.add((row.model, row.arm, row.item))
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            is_cut = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
            with self._path.open("ab") as file:
                file.write((b"\n" if is_cut else b"") + msgspec.json.encode(row) + b"\n")


def rows_of(path: Path) -> list[Row]:
    """Return the rows in a file; a last line that was cut is left out."""
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            rows.append(msgspec.json.decode(line, type=Row))
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue  # cut while it was written: the run is measured again
    return rows


def groups(rows: Iterable[Row], key: Callable[[Row], tuple[str, ...]]) -> dict[tuple[str, ...], list[Row]]:
    """Return rows by a key, in the order in which the keys first occur."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def summary(rows: Iterable[Row]) -> str:
    """Return the table of all models and arms, in Markdown."""
    head = (
        "| model | arm | right | 95 % interval | stopped | done and wrong: claimed, proven | damaged "
        "| answers | prompt tokens | evaluated | answer tokens | wall s | first success s |\n"
        "|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    return "\n".join([head, *(_line(some) for some in groups(rows, _by_arm).values())])


def _by_arm(row: Row) -> tuple[str, ...]:
    return row.model, row.arm


def _line(rows: list[Row]) -> str:
    model, arm = rows[0].model, rows[0].arm
    count = len(rows)
    right = sum(row.verdict == "right" for row in rows)
    low, high = wilson(right, count)
    wrong = [row for row in rows if row.verdict == "wrong"]
    proven = sum(row.proof == "proven" for row in wrong)
    firsts = [row.first_success_s for row in rows if row.first_success_s is not None]
    first = f"{median(firsts):.1f}" if firsts else "-"
    return (
        f"| {model} | {arm} | {right}/{count} | {low:.2f}-{high:.2f} | {sum(row.verdict == 'stopped' for row in rows)} "
        f"| {len(wrong) - proven}, {proven} | {sum(bool(row.damage) for row in rows)} "
        f"| {_mean(rows, 'answers'):.1f} | {_mean(rows, 'prompt_tokens'):.0f} | {_mean(rows, 'evaluated_tokens'):.0f} "
        f"| {_mean(rows, 'answer_tokens'):.0f} | {_mean(rows, 'seconds'):.1f} | {first} |"
    )


def _mean(rows: list[Row], name: str) -> float:
    return sum(getattr(row, name) for row in rows) / max(1, len(rows))


def by_kind(rows: Iterable[Row]) -> str:
    """Return how many of each kind of goal are right, in Markdown."""
    found = list(rows)
    kinds = list(dict.fromkeys(row.kind for row in found))
    table = [f"| model | arm | {' | '.join(kinds)} |", f"|---|---|{'--:|' * len(kinds)}"]
    for (model, arm), some in groups(found, _by_arm).items():
        cells = []
        for kind in kinds:
            of_kind = [row for row in some if row.kind == kind]
            cells.append(f"{sum(row.verdict == 'right' for row in of_kind)}/{len(of_kind)}")
        table.append(f"| {model} | {arm} | {' | '.join(cells)} |")
    return "\n".join(table)


def wrong_list(rows: Iterable[Row]) -> str:
    """Return one line for each run that was done and wrong."""
    wrong = [row for row in rows if row.verdict == "wrong"]
    if not wrong:
        return "Done and wrong: none."
    lines = [f"- {row.model}, {row.arm}, {row.item} ({row.proof}): {row.why}" for row in wrong]
    return "\n".join(["Done and wrong:", *lines])


def stopped_list(rows: Iterable[Row]) -> str:
    """Return how often each class of failure stopped a run."""
    stopped = [row for row in rows if row.verdict == "stopped"]
    counted = groups(stopped, lambda row: (row.model, row.arm, f"{row.how} {row.failure}".strip()))
    lines = [f"- {model}, {arm}, {what}: {len(some)}" for (model, arm, what), some in counted.items()]
    return "\n".join(["Stopped loudly:", *lines]) if lines else "Stopped loudly: none."
