"""The command that talks: chat."""

from pathlib import Path

import typer

from nebulus.cli.options import (
    ConfigOption,
    ModelOption,
    QuietOption,
    TierOption,
    WorkspaceOption,
    YesOption,
    examples,
)

HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus chat": "about the files of this folder",
                "nebulus chat -m ollama:qwen3:8b": "with another model",
                "printf 'Which notes are there?\\nWhich is longest?\\n' | nebulus chat -q": "two turns from a pipe",
            }
        )
    )(chat)


def chat(
    *,
    workspace: WorkspaceOption = HERE,
    tier: TierOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    yes: YesOption = False,
    quiet: QuietOption = False,
) -> None:
    """Talk with a model that has the tools of this folder: each line is a run that knows what earlier ones found.

    Approvals and questions are asked inline; without a policy of your own you are also asked before a file is changed. Every turn is kept: `nebulus runs` lists it, `show` explains it, `resume`
    takes it up. Ctrl-C stops the run under way and not the conversation; Ctrl-D ends it. /new forgets what was said.

    In a pipe each line of stdin is a turn, and answers go to stdout; nobody can be asked there, so that what needs an
    approval is blocked without --yes. The exit code is that of the first turn that was not done.
    """
    from nebulus.cli.chat import converse
    from nebulus.cli.live_runs import Work
    from nebulus.cli.run_commands import choice_of

    converse(Work(folder=workspace, choice=choice_of(config, tier, model), says_yes=yes, is_quiet=quiet))
