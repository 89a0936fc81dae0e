"""The commands of a person who is asked: approvals, approve, deny."""

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nebulus.cli.options import ConfigOption, JsonOption, WorkspaceOption, examples

if TYPE_CHECKING:
    from nebulus.adapters.approvals.store import Waiting
    from nebulus.report.text import Line

HERE = Path()
IdArgument = Annotated[
    str, typer.Argument(help="The id of a question, or its beginning; see `nebulus approvals`.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(epilog=examples({"nebulus approvals": "what waits for an answer, in which run, until when"}))(
        approvals
    )
    app.command(
        epilog=examples(
            {"nebulus approve 3f9a": "once, for exactly this call", "nebulus resume RUN": "then go on"}
        )
    )(approve)
    app.command(epilog=examples({"nebulus deny 3f9a 'keep that file'": "with a reason, which is recorded"}))(
        deny
    )


def approvals(
    *, workspace: WorkspaceOption = HERE, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the questions that wait for a person. What is not answered in time counts as no."""
    from nebulus.app import bootstrap
    from nebulus.cli.console import stderr
    from nebulus.cli.place import has_runs
    from nebulus.cli.view import open_view

    with open_view(workspace, config, as_json=as_json) as view:
        store = bootstrap.approvals(view.settings, workspace) if has_runs(view.settings, workspace) else None
        waiting = store.waiting() if store else []
        if not waiting and not as_json:
            stderr().print("Nobody waits for an answer.")
        view.show(waiting, lambda waiting: [line for item in waiting for line in _lines(item)])


def _lines(item: "Waiting") -> "list[Line]":
    from nebulus.report.summary import SHOWN_DIGITS
    from nebulus.report.text import Line, one_line, safe

    question = item.question
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(item.expires_s)) if item.expires_s else "always"
    where = f"{safe(item.run_id)}, step {question.step}  until {until}"
    return [
        Line(f"{question.digest[:SHOWN_DIGITS]}  {where}"),
        Line(f"  {one_line(question.text, 200)} {one_line(question.arguments, 1000)}"),
        Line(f"  because: {one_line(question.reason, 600)}", "yellow"),
    ]


def approve(
    question: IdArgument,
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say yes to one question, once; the run goes on with `nebulus resume`, or at once if it waits."""
    _answer(question, "", is_yes=True, where=(workspace, config), as_json=as_json)


def deny(
    question: IdArgument,
    reason: Annotated[str, typer.Argument(help="Why; it is recorded.")] = "",
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say no to one question, with a reason."""
    _answer(question, reason, is_yes=False, where=(workspace, config), as_json=as_json)


def _answer(digest: str, text: str, *, is_yes: bool, where: tuple[Path, Path | None], as_json: bool) -> None:
    from nebulus.app import bootstrap
    from nebulus.cli.place import again, require_runs
    from nebulus.cli.view import open_view
    from nebulus.core.errors import ConfigError
    from nebulus.ports.guard import PersonReply
    from nebulus.report.text import Line, one_line

    workspace, config = where
    with open_view(workspace, config, as_json=as_json) as view:
        if view.settings.engine.url == bootstrap.MEMORY:
            raise ConfigError(
                "runs kept in memory ask only while they run", fix="set engine.url to keep them"
            )
        require_runs(view.settings, workspace)
        store = bootstrap.approvals(view.settings, workspace)
        assert store is not None
        answered = store.answer(digest, PersonReply(is_yes=is_yes, text=text, by=getpass.getuser()))
        word, style = ("approved", "green") if is_yes else ("denied", "yellow")
        said = f"{word}: {answered.tool} {one_line(answered.arguments, 600)}"
        then = f"go on with {again(answered.run_id, workspace)}"
        lines = [Line(said, style), Line(then, "dim")]
        view.show(answered, lambda _: lines, document={"question": answered, "is_yes": is_yes})
