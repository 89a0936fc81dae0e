"""A conversation in the terminal: each line is a run, and knows what the runs before it found.

Invariants: every turn is kept, listed and resumable like any run; what earlier turns found reaches the model as data,
never as part of the goal; Ctrl-C stops the run, and the conversation goes on.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

import typer
from msgspec import Struct
from msgspec.structs import replace

from nebulus.app import bootstrap
from nebulus.app.application import Application, open_application
from nebulus.app.results import result_spec
from nebulus.cli import signals
from nebulus.cli.console import Hints, reporting, show, stderr
from nebulus.cli.exits import Exit, exit_of_signal
from nebulus.cli.kept_runs import report_of
from nebulus.cli.live_runs import Work, exit_code, face_of
from nebulus.cli.people import AutoApproval, InterruptiblePerson
from nebulus.cli.place import again, settings_of
from nebulus.cli.results import write_answer
from nebulus.cli.watch import Face, NoFace, Watcher, is_terminal
from nebulus.core.outcome import Done, Question
from nebulus.core.plan import Exchange, Goal
from nebulus.core.text import bounded
from nebulus.guard.defaults import ConversationPolicy
from nebulus.ports.guard import PersonReply
from nebulus.report.run import RunReport
from nebulus.report.summary import source_lines, summary_lines
from nebulus.report.text import Line, format_cost
from nebulus.runtime.handle import RunHandle

if TYPE_CHECKING:
    from nebulus.core.state import State

EARLIER_BYTES = 3000
"""The most that earlier turns take of a prompt, about 750 tokens: the newest are kept, the oldest forgotten first."""
SAID_CHARS = 400
ANSWER_CHARS = 700
RESULT_CHARS = 200
RESULTS_KEPT = 3
_HELP = """\
Each line is a run, with the tools of this folder; it knows what the runs before it found.
  /new     forget what was said; the runs are kept
  /help    this
  /quit    end, as Ctrl-D does; Ctrl-C stops a run and not the conversation
"""


class Conversation:
    """What was said and found so far."""

    def __init__(self) -> None:
        self.turns: tuple[Exchange, ...] = ()

    def add(self, said: str, found: str) -> None:
        """Remember a turn, and forget the oldest ones for which there is no room."""
        turns = [*self.turns, Exchange(said=bounded(said, SAID_CHARS), found=found)]
        while (
            len(turns) > 1 and sum(len((turn.said + turn.found).encode()) for turn in turns) > EARLIER_BYTES
        ):
            del turns[0]
        self.turns = tuple(turns)

    def forget(self) -> None:
        """Start a new conversation with the next turn."""
        self.turns = ()


def found_in(report: RunReport, state: "State") -> str:
    """Return what a run found, for the turns after it: its last results, and its answer or why there is none."""
    results = [
        f"{seen.tool}({bounded(seen.arguments, RESULT_CHARS)}) -> {bounded(seen.text, RESULT_CHARS)}"
        for seen in state.observations[-RESULTS_KEPT:]
        if not seen.is_error
    ]
    answer = str(report.answer) if report.is_answered else f"no answer: {report.outcome}"
    return "; ".join([*results, bounded(answer, ANSWER_CHARS)])


class _Chat(Struct, frozen=True):
    """What every turn needs."""

    application: Application
    conversation: Conversation
    screen: "_Screen"
    work: Work


class _Screen:
    """Where the turn under way is shown, and who is asked there."""

    def __init__(self, *, says_yes: bool) -> None:
        self.face: Face = NoFace()
        self._says_yes = says_yes

    async def ask(self, question: Question) -> PersonReply | None:
        """Ask the flag, or the terminal; None in a pipe."""
        if self._says_yes:
            return await AutoApproval(_tell, name="--yes").ask(question)
        return await InterruptiblePerson(self.face).ask(question) if is_terminal() else None


def _tell(text: str) -> None:
    show([Line(f"  ☞ {text}", "magenta")], stderr())


def converse(work: Work) -> None:
    """Read lines until the input ends, and carry each out.

    Raises:
        typer.Exit: always; with the code of the first turn that was not done, where the lines come from a pipe.
    """
    screen, conversation = _Screen(says_yes=work.says_yes), Conversation()
    first_bad = Exit.DONE
    with asyncio.Runner() as runner, reporting(as_json=False):
        stack = AsyncExitStack()
        chat = _Chat(runner.run(_opened(work, screen, stack)), conversation, screen, work)
        try:
            for line in _lines():
                code = _turn(line, chat, runner)
                first_bad = first_bad or code
                if signals.received():
                    raise typer.Exit(exit_of_signal(signals.received()))
        finally:
            runner.run(stack.aclose())
    raise typer.Exit(Exit.DONE if is_terminal() else first_bad)


async def _opened(work: Work, screen: _Screen, stack: AsyncExitStack) -> Application:
    settings = settings_of(work.folder, work.choice)
    await bootstrap.fetch_models(settings, is_quiet=work.is_quiet)
    application = open_application(
        settings,
        work.folder,
        person=screen,
        policy=None if settings.policy else ConversationPolicy(),
        watch=[lambda _: Watcher(screen.face)],
    )
    return await stack.enter_async_context(application)


def _lines() -> Iterator[str]:
    """Yield what is typed, or each line of a pipe; blank ones are left out."""
    if not is_terminal():
        yield from filter(None, map(str.strip, sys.stdin))
        return
    with suppress(ImportError):
        import readline  # noqa: F401 - line editing and history for `input`  # house: waiver a Python may be built without it
    show([Line("Type what you want to know or have done; /help says more, Ctrl-D ends.", "dim")], stderr())
    while True:
        try:
            line = input("> ").strip()
        except EOFError:  # Ctrl-D
            return
        except KeyboardInterrupt:
            stderr().print()
            if signals.received():
                return
            continue
        if line:
            yield line


def _turn(line: str, chat: _Chat, runner: asyncio.Runner) -> Exit:
    """Carry out one line and return its exit code; what goes wrong is shown, and the conversation goes on."""
    if line in ("/quit", "/exit"):
        raise typer.Exit(Exit.DONE)
    if line == "/new":
        chat.conversation.forget()
        return Exit.DONE
    if line in ("/help", "/?"):
        stderr().print(_HELP, markup=False)
        return Exit.DONE
    try:
        with reporting(as_json=False) as hints:
            return exit_code(runner.run(_carried_out(line, chat, hints)), chat.work)
    except typer.Exit as ended:
        return Exit(ended.exit_code)


async def _carried_out(line: str, chat: _Chat, hints: Hints) -> RunReport:
    """Begin a run for `line`, wait for its end, show it, and remember what it found."""
    application, work = chat.application, chat.work
    said = bootstrap.secrets(application.settings).hide(line)
    goal = Goal(text=said, earlier=chat.conversation.turns)
    with face_of(work, stderr()) as chat.screen.face:
        handle = await application.start(
            goal, result=result_spec(str), workspace=work.folder, place=work.choice.remembered()
        )
        hints.resume = again(handle.run_id, work.folder)
        with _interrupted_by_ctrl_c(handle):
            outcome = await handle.result()
    report = replace(await report_of(application.supervisor, handle.run_id), outcome=outcome)
    chat.conversation.add(said, found_in(report, handle.machine.state))
    _show(report, work, resume=hints.resume)
    return report


def _show(report: RunReport, work: Work, *, resume: str) -> None:
    if not report.is_answered:
        show(summary_lines(report, resume=resume), stderr())
        return
    write_answer(report.answer)
    outcome = report.outcome
    if not work.is_quiet and isinstance(outcome, Done) and outcome.result is not None:
        sources = source_lines(outcome.result) if outcome.result.sources else []
        show([*sources, Line(f"{report.run_id} · {format_cost(report.spent)}", "dim")], stderr())


@contextmanager
def _interrupted_by_ctrl_c(handle: RunHandle) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP ask the run to stop while it is under way."""
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[None]] = set()

    def stop() -> None:
        handle.stop()  # at once: what is recorded for other processes takes a moment
        task = loop.create_task(handle.cancel())
        pending.add(task)
        task.add_done_callback(pending.discard)

    def on_signal(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)

    before: Callable[[int, FrameType | None], object] | int | None = signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
