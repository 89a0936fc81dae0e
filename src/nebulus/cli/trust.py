"""The command of trust: what the settings of a folder need, confirmed for good, or forgotten."""

from pathlib import Path
from typing import Annotated

import typer

from nebulus.cli.options import ConfigOption, JsonOption, WorkspaceOption, examples

HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus trust": "the settings of this folder, after you have read them",
                "nebulus trust --config project/my.toml": "another file",
                "nebulus trust --forget": "ask again about every host and every file",
            }
        )
    )(trust)


def trust(
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget every host and every file that was confirmed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Confirm the settings of a folder: the file, if a run could have written it, and the hosts that it contacts.

    Read the file first. What is confirmed is kept in nebulus/trust.json of the user's state folder
    (XDG_STATE_HOME, else ~/.local/state), which no run can write. At a terminal you are asked when it matters,
    so that this command is for scripts. Never asked about: a file outside of every workspace, and a host of this
    machine that gets no secret.
    """
    from nebulus.adapters.trust.ledger import TrustLedger
    from nebulus.app.settings_layers import load_layered, user_settings_path
    from nebulus.app.trust import file_in_doubt, protect_from_now_on
    from nebulus.app.trust import trust as confirm
    from nebulus.cli.console import reporting, show_json
    from nebulus.cli.place import Choice, file_contacts, settings_path
    from nebulus.cli.trusting import confirmed_lines

    with reporting(as_json=as_json):
        ledger = TrustLedger()
        if forget:
            ledger.forget()
            print('{"forgotten": true}' if as_json else "forgotten; you will be asked again")
            return
        path, own = settings_path(workspace, Choice(config=str(config or ""))), user_settings_path()
        files = [*file_in_doubt(own, ledger), *file_in_doubt(path, ledger)]
        doubts = [*files, *file_contacts(load_layered(config, workspace), path, workspace, ledger=ledger)]
        confirm(doubts, ledger)
        for file in own, path:
            protect_from_now_on(file, workspace, ledger)
        if as_json:
            show_json({"confirmed": [doubt.sentence() for doubt in doubts]})
        else:
            print("\n".join(confirmed_lines(doubts)) or "nothing here needs to be confirmed")
