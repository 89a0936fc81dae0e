"""A probe at the command line: its cost before it starts, how far it is, and what it found."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from nebulus.app import bootstrap, bootstrap_profiles
from nebulus.app.probe import MEASURED_FIRST, Probe, ProbeLimits, ProbeStep
from nebulus.ceiling.profile import Profile
from nebulus.cli.console import show, show_json, stderr, stdout
from nebulus.cli.place import Choice, settings_of
from nebulus.core.text import counted
from nebulus.report.profiles import profile_document, profile_lines
from nebulus.report.text import Line, safe
from nebulus.runtime.world import SystemClock

EVERY_S = 10.0
"""In a pipe, a line is written at most so often."""


class ProbeWork(Struct, frozen=True, kw_only=True):
    """What is measured, and where it is kept and shown."""

    folder: Path
    choice: Choice
    profiles: Path | None = None
    is_fresh: bool = False
    is_quiet: bool = False


async def measure(work: ProbeWork, limits: ProbeLimits) -> Profile:
    """Measure the model that was chosen, and return its profile.

    Raises:
        NebulusError: as `Probe.open` and `Probe.run`, or the settings can't be used.
    """
    settings = settings_of(work.folder, work.choice)
    (tier,) = settings.tiers
    await bootstrap.fetch_models(settings, is_quiet=work.is_quiet)
    backend = bootstrap.backend(settings.tiers[tier].backend())
    store = bootstrap_profiles.profiles(work.profiles)
    try:
        probe = Probe(tier, settings, backend, store=store, clock=SystemClock())
        profile = await probe.open(is_fresh=work.is_fresh)
        with ProbeFace(limits, profile, is_quiet=work.is_quiet) as face:
            face.say(_before(probe, profile, limits))
            profile = await probe.run(profile, limits, watch=face.step)
        face.say([f"kept in {store.path(profile.model)}"])
        return profile
    finally:
        await backend.close()


def _before(probe: Probe, profile: Profile, limits: ProbeLimits) -> list[str]:
    """Return what is said before the first question: what changed, what is known, what it will cost at most."""
    lines = []
    if probe.stale:
        lines.append(
            f"{profile.model.name} was measured before, but {' and '.join(probe.stale)} changed since: it begins again"
        )
    left = limits.questions - profile.asked
    if left <= 0:
        known = f"{counted(probe.resumed, 'question')} were asked before, so nothing is left to ask"
        return [f"{known}; raise --max-questions, or begin again with --fresh"]
    if probe.resumed:
        lines.append(f"{counted(probe.resumed, 'question')} were asked before: it goes on with the next")
    lines.append(
        f"measuring {profile.model.name}: at most {counted(left, 'question')} and {minutes_text(limits.minutes * 60)}; "
        f"the first {min(left, MEASURED_FIRST)} show how long they take"
    )
    return lines


class ProbeFace:
    """Shows how far a probe is, on stderr: a bar on a terminal, else a line now and then."""

    def __init__(
        self,
        limits: ProbeLimits,
        profile: Profile,
        *,
        is_quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._clock, self._is_quiet = stream or sys.stderr, clock, is_quiet
        self._most, self._before = limits.questions, profile.asked
        self._said_s = clock()
        self._bar: Progress | None = None
        if self._stream.isatty() and not is_quiet:
            self._bar = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
            )

    def __enter__(self) -> "ProbeFace":
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=self._most, completed=self._before)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def say(self, lines: list[str]) -> None:
        """Show some lines."""
        if self._is_quiet:
            return
        if self._bar is not None:
            for line in lines:
                self._bar.console.print(safe(line), markup=False, highlight=False)
        else:
            show([Line(safe(line), "dim") for line in lines], stderr())

    def step(self, step: ProbeStep) -> None:
        """Show that a question was answered, and after the first few, what all of them will take."""
        count = step.asked - self._before
        if count == MEASURED_FIRST:
            more = round(step.left_s * count / max(step.elapsed_s, 1e-9))
            self.say(
                [
                    f"about {counted(more, 'question')} in {minutes_text(step.left_s)}; Ctrl-C keeps what is known"
                ]
            )
        if self._bar is not None:
            mark = "right" if step.is_right else "wrong"
            text = f"{step.question} {mark}, {minutes_text(step.left_s)} left"
            self._bar.update(self._task, completed=step.asked, description=text)
        elif self._clock() - self._said_s >= EVERY_S:
            self._said_s = self._clock()
            self.say([f"{step.asked} of {step.most} questions, {minutes_text(step.left_s)} left"])


def minutes_text(seconds: float) -> str:
    """Return a time to wait, in whole minutes or, below two, in seconds."""
    return counted(round(seconds / 60), "minute") if seconds >= 120 else counted(round(seconds), "second")


def show_measured(profile: Profile, *, as_json: bool) -> None:
    """Write what was measured to stdout."""
    if as_json:
        show_json(profile_document(profile))
    else:
        show(profile_lines(profile), stdout())
