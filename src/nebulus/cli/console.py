"""What goes where: results on stdout, everything else on stderr; with --json one document on stdout."""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from nebulus.cli import signals
from nebulus.cli.exits import Exit, envelope, exit_of_error, exit_of_signal
from nebulus.core.errors import NebulusError, RunCancelledError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.report.text import Line, safe

DEBUG_VARIABLE = "NEBULUS_DEBUG"
"""Set to anything, it shows where in the code a defect of ours came from."""


_STOPPED = {
    Exit.INTERRUPTED: (Exit.INTERRUPTED, "Interrupted", "you stopped it"),
    Exit.TERMINATED: (Exit.TERMINATED, "Terminated", "somebody told it to end (SIGTERM)"),
    Exit.HUNG_UP: (Exit.HUNG_UP, "HungUp", "its terminal was closed (SIGHUP)"),
}


class Hints:
    """What to tell somebody who stops the command; `resume` is the command that resumes the run."""

    def __init__(self) -> None:
        self.resume = ""


class _PipeConsole(Console):
    """A console that raises where its reader has gone; rich itself would end the process with 1."""

    def on_broken_pipe(self) -> None:
        """Raise what the caller is handling, for `reporting`."""
        raise BrokenPipeError


def stdout() -> Console:
    """Return the console for results."""
    return _PipeConsole(highlight=False, soft_wrap=True)


def stderr() -> Console:
    """Return the console for progress, questions and errors."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def show(lines: Iterable[Line], console: Console) -> None:
    """Print `lines`; nothing in them is markup."""
    for line in lines:
        console.print(Text(line.text, style=line.style))


def show_json(document: Any) -> None:
    """Print the one JSON document of a command, indented: dicts, lists, frozen values."""
    plain = msgspec.to_builtins(document)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n")
    sys.stdout.flush()


@contextmanager
def reporting(*, as_json: bool) -> Iterator[Hints]:
    """Turn what goes wrong inside into an explanation and an exit code; never a traceback.

    Raises:
        typer.Exit: something went wrong.
    """
    hints = Hints()
    try:
        yield hints
        sys.stdout.flush()  # here, not when the interpreter ends: a pipe that closed early is no error
    except NebulusError as error:
        code, failure = exit_of_error(error), envelope(error)
        if isinstance(error, RunCancelledError) and hints.resume:
            failure = msgspec.structs.replace(failure, fix=f"`{hints.resume}` resumes it")
        _report(type(error).__name__, failure, code, as_json=as_json)
        raise typer.Exit(code) from error
    except KeyboardInterrupt as error:
        number = signals.received()
        code, name, what = _STOPPED[exit_of_signal(number)]
        fix = f"`{hints.resume}` resumes it: what was done stays done" if hints.resume else ""
        failure = Failure(kind=FailureKind.CONFLICT, fault=Fault.CONTRACT, what=what, fix=fix)
        with suppress(OSError):  # The terminal is gone.
            _report(name, failure, code, as_json=as_json)
        raise typer.Exit(code) from error
    except BrokenPipeError as error:
        _abandon_stdout()
        raise typer.Exit(Exit.DONE) from error
    except typer.Exit:
        raise
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        _report("Defect", _defect(error, hints), Exit.DEFECT, as_json=as_json)
        raise typer.Exit(Exit.DEFECT) from error


def _defect(error: Exception, hints: Hints) -> Failure:
    fix = f"set {DEBUG_VARIABLE}=1 to see where, and report it"
    return Failure(
        kind=FailureKind.OURS,
        fault=Fault.RUNTIME,
        what="Nebulus itself broke",
        value=f"{type(error).__name__}: {error}",
        fix=f"{fix}; `{hints.resume}` resumes the run" if hints.resume else fix,
    )


def _report(name: str, failure: Failure, code: Exit, *, as_json: bool) -> None:
    if as_json:
        show_json({"error": name, "failure": failure, "exit_code": int(code)})
        return
    body = Text(_printable(failure.what))
    if failure.value:
        body.append(f"\n{_printable(failure.value)}")
    if failure.fix:
        body.append("\n→ ", style="bold").append(_printable(failure.fix), style="bold")
    console = Console(stderr=True, highlight=False)
    title = f"{name} (exit {int(code)})"
    if console.is_terminal:
        console.print(Panel(body, title=title, title_align="left", border_style="red"))
        return
    console.print(Text(f"{title}: ", style="bold red") + body, soft_wrap=True)


def _printable(text: str) -> str:
    return "\n".join(safe(line) for line in text.splitlines())


def _abandon_stdout() -> None:
    """Let the interpreter flush into nothing: the reader of the pipe has gone.

    Source: "Note on SIGPIPE" in the documentation of Python's signal module.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
