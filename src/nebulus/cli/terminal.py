"""Live progress on a terminal: the plan with its states, what is under way, what happened last, the cost."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from nebulus.cli.marks import IN_PROGRESS, MARKS, STATES
from nebulus.cli.narrate import Said
from nebulus.cli.words import cost, counted, one_line
from nebulus.core.plan import StepStatus
from nebulus.loop.progress import Machine

LINES_SHOWN = 6
_OTHER_ROWS = LINES_SHOWN + 8
_REFRESH_PER_S = 8


class TerminalFace:
    """Redraws a picture of the run on stderr, eight times a second; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._machine: Machine | None = None
        self._last: deque[Said] = deque(maxlen=LINES_SHOWN)
        self._spinner = Spinner("dots")
        self._what, self._since, self._pieces = "", time.monotonic(), 0
        self._live = Live(
            get_renderable=self._picture, console=console, refresh_per_second=_REFRESH_PER_S, transient=False
        )

    def __enter__(self) -> "TerminalFace":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._what = ""
        self._live.stop()

    def begin(self, machine: Machine, past: list[Said]) -> None:
        """Show the plan, as far as it has come."""
        self._machine = machine
        self._last.extend(past)

    def doing(self, what: str, machine: Machine) -> None:
        """Turn the spinner."""
        self._machine = machine
        self._what, self._since, self._pieces = what, time.monotonic(), 0

    def wrote(self, piece: str) -> None:
        """Count the pieces: a server streams about one a token."""
        self._pieces += 1

    def said(self, lines: tuple[Said, ...], machine: Machine) -> None:
        """Show what happened."""
        self._machine = machine
        self._last.extend(line for line in lines if line.kind in IN_PROGRESS)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the picture away while somebody is asked."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start(refresh=True)

    def _picture(self) -> RenderableType:
        machine = self._machine
        if machine is None:
            self._spinner.update(text=Text("starting the model"))
            return self._spinner
        rows: list[RenderableType] = [Text(one_line(machine.state.goal.text, 300), style="bold")]
        rows += _plan(machine, most=max(3, self._console.height - _OTHER_ROWS))
        rows += [Text(""), *(_row(line) for line in self._last), Text("")]
        if self._what:
            self._spinner.update(text=self._activity())
            rows.append(self._spinner)
        rows.append(Text(f"  {cost(machine.spent)}", style="dim"))
        return Group(*rows)

    def _activity(self) -> Text:
        took_s = time.monotonic() - self._since
        speed = f" · about {self._pieces / took_s:,.0f} tokens/s" if self._pieces and took_s > 0.2 else ""
        return Text(f"{self._what} · {took_s:.1f} s{speed}")


def _plan(machine: Machine, *, most: int) -> list[Text]:
    """Return the rows of the plan: all of it, or what stands around the active step."""
    steps = machine.state.plan.steps
    if not steps:
        return [Text("  no plan yet", style="dim")]
    at = machine.active or (machine.state.next_pending() or len(steps))
    first = max(0, min(at - 1 - most // 2, len(steps) - most))
    rows = [
        _step(number, steps[number - 1].text, steps[number - 1].status)
        for number in range(first + 1, min(first + most, len(steps)) + 1)
    ]
    if first:
        rows[0] = Text(f"    … {counted(first + 1, 'step')} before", style="dim")
    return rows


def _step(number: int, text: str, status: StepStatus) -> Text:
    mark, style = STATES[status]
    row = Text(f"  {mark} {number:>2}. {one_line(text)}", style=style, no_wrap=True)
    row.overflow = "ellipsis"
    return row


def _row(line: Said) -> Text:
    mark, style = MARKS[line.kind]
    row = Text(f"  {mark} {line.text}{f'  ({line.cost})' if line.cost else ''}", style=style, no_wrap=True)
    row.overflow = "ellipsis"
    return row
