"""Live progress on a terminal: the plan with its statuses, what is under way, what happened last, the cost."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from nebulus.cli.watch import UnderWay, describe, steps_under_way, text_of
from nebulus.core.commands import AskModel
from nebulus.core.plan import StepStatus
from nebulus.core.text import counted
from nebulus.loop.machine import Machine
from nebulus.report.line_kinds import ReportLine
from nebulus.report.marks import MARKS, STATUS_MARKS, VERBOSE
from nebulus.report.text import format_cost, one_line

LINES_SHOWN = 6
_OTHER_ROWS = LINES_SHOWN + 8
_REFRESH_PER_S = 8


class TerminalFace:
    """Redraws a picture of the run on stderr, eight times a second; use it as a context manager.

    With `is_transient` the picture is removed at the end.
    """

    def __init__(self, console: Console, *, is_transient: bool = False) -> None:
        self._console = console
        self._machine: Machine | None = None
        self._last: deque[tuple[str, str, str]] = deque(maxlen=LINES_SHOWN)
        self._spinner = Spinner("dots")
        self._under_way: tuple[UnderWay, ...] = ()
        self._pieces, self._pieces_since_s = 0, 0.0
        self._live = Live(
            get_renderable=self.__rich__,
            console=console,
            refresh_per_second=_REFRESH_PER_S,
            transient=is_transient,
        )

    def __enter__(self) -> "TerminalFace":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._under_way = ()
        self._live.stop()

    def begin(self, machine: Machine, past: Sequence[ReportLine]) -> None:
        """Show the plan, as far as it has come."""
        self.happened(past, machine)

    def doing(self, under_way: Sequence[UnderWay], machine: Machine) -> None:
        """Turn the spinner."""
        asked = [one.since_s for one in under_way if isinstance(one.command, AskModel)]
        since_s = asked[0] if len(asked) == 1 else 0.0
        if since_s != self._pieces_since_s:
            self._pieces, self._pieces_since_s = 0, since_s
        self._machine, self._under_way = machine, tuple(under_way)

    def wrote(self, piece: str) -> None:
        """Count the pieces: a server streams about one a token."""
        self._pieces += 1

    def happened(self, lines: Sequence[ReportLine], machine: Machine) -> None:
        """Show what happened."""
        self._machine = machine
        self._last.extend(
            (*MARKS[line.kind], text_of(line, machine)) for line in lines if line.kind not in VERBOSE
        )

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the picture away while somebody is asked."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start(refresh=True)

    def __rich__(self) -> RenderableType:
        """Return the picture as it is now."""
        machine = self._machine
        if machine is None:
            self._spinner.update(text=Text("starting the model"))
            return self._spinner
        rows: list[RenderableType] = [Text(one_line(machine.state.goal.text, 300), style="bold")]
        rows += _plan(machine, most=max(3, self._console.height - _OTHER_ROWS))
        rows += [Text(""), *(_row(f"  {mark} {text}", style) for mark, style, text in self._last), Text("")]
        if self._under_way:
            self._spinner.update(text=Text("\n  ".join(map(self._activity, self._under_way))))
            rows.append(self._spinner)
        rows.append(Text(f"  {format_cost(machine.spent)}", style="dim"))
        return Group(*rows)

    def _activity(self, one: UnderWay) -> str:
        assert self._machine is not None
        took_s = time.monotonic() - one.since_s
        is_writing = self._pieces and one.since_s == self._pieces_since_s and took_s > 0.2
        speed = f" · about {self._pieces / took_s:,.0f} tokens/s" if is_writing else ""
        progress = f" · {one_line(one.progress, 60)}" if one.progress else ""
        return f"{describe(one.command, self._machine)} · {took_s:.1f} s{speed}{progress}"


def _plan(machine: Machine, *, most: int) -> list[Text]:
    """Return the rows of the plan: all of it, or the part around the steps under way."""
    steps = machine.state.plan.steps
    if not steps:
        return []
    at = next(iter(steps_under_way(machine)), machine.state.next_pending() or len(steps))
    first = max(0, min(at - 1 - most // 2, len(steps) - most))
    rows = [
        _step(number, steps[number - 1].text, steps[number - 1].status)
        for number in range(first + 1, min(first + most, len(steps)) + 1)
    ]
    if first:
        rows[0] = Text(f"    … {counted(first + 1, 'step')} before", style="dim")
    return rows


def _step(number: int, text: str, status: StepStatus) -> Text:
    mark, style = STATUS_MARKS[status]
    return _row(f"  {mark} {number:>2}. {one_line(text)}", style)


def _row(text: str, style: str) -> Text:
    row = Text(text, style=style, no_wrap=True)
    row.overflow = "ellipsis"
    return row
