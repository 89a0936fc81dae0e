"""The command that checks whether a journal is whole: verify."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from nebulus.cli.options import ConfigOption, JsonOption, RunArgument, WorkspaceOption, examples

HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus verify 20260101-120000-ab12": "is every record chained to the one before",
                "nebulus verify 20260101-120000-ab12 --head 9f2c4a7be01d3355": "and is this still the last one",
            }
        )
    )(verify)


def verify(
    run_id: RunArgument,
    *,
    head: Annotated[
        str, typer.Option("--head", help="The digest that an earlier `verify` printed, noted elsewhere.")
    ] = "",
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the first record of a run that was changed, lost or put in. Ends with 6 if there is one.

    The digests are stored with the records. Who can rewrite all of them can make them fit again: only a
    digest that was noted elsewhere, given as --head, shows that.
    """
    from nebulus.cli import kept_runs
    from nebulus.cli.exits import Exit
    from nebulus.cli.view import open_view
    from nebulus.core.events import JOURNAL_VERSION
    from nebulus.report.text import Line, safe

    with open_view(workspace, config, as_json=as_json) as view:
        found = asyncio.run(kept_runs.verified(run_id, view.settings, workspace))
        is_known = not head or found.has_had(head)
        is_whole = found.is_whole and is_known
        why = found.why or f"no record has the digest {head}: the journal was rewritten, or cut before it"
        place = f"record {found.broken}: " if found.broken else ""
        line = Line(f"broken: {place}{safe(why)}", "red")
        if is_whole:
            other = (
                ""
                if found.version == JOURNAL_VERSION
                else f"; of journal version {found.version}, checked only"
            )
            line = Line(f"whole: {found.records} records, head {found.head}{other}", "green")
        view.show(found, lambda _: [line], document={"verification": found, "is_whole": is_whole})
        if not is_whole:
            raise typer.Exit(Exit.FAILED)
