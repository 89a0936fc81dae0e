"""The command that measures a model: probe."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from nebulus.cli.options import (
    ConfigOption,
    JsonOption,
    ProfilesOption,
    QuietOption,
    WorkspaceOption,
    examples,
)

HERE = Path()
MOST_QUESTIONS = 120
MOST_MINUTES = 20.0


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus probe ollama:qwen3:8b": "measure a model, in 20 minutes at most",
                "nebulus probe model.gguf --minutes 5": "a first impression; the next call goes on from there",
                "nebulus probe --tier small": "a tier of nebulus.toml, as its settings say",
                "nebulus profile show ollama:qwen3:8b": "what was measured",
            }
        )
    )(probe)


def probe(
    model: Annotated[str, typer.Argument(help="The model, as for `nebulus run --model`.")] = "",
    *,
    tier: Annotated[str, typer.Option("--tier", help="Measure this tier of the settings instead.")] = "",
    max_questions: Annotated[
        int,
        typer.Option("--max-questions", help="End after so many questions, those of earlier calls included."),
    ] = MOST_QUESTIONS,
    minutes: Annotated[
        float, typer.Option("--minutes", help="End after so many minutes, even if questions are left.")
    ] = MOST_MINUTES,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin again, and replace what was measured before.")
    ] = False,
    profiles: ProfilesOption = None,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure what a model can do inside Nebulus, and keep it as its profile.

    It asks small questions whose answers code can check: a call among 1 to 20 tools, nested arguments, long
    values to copy, values in prose, work that no tool fits, errors, several steps with distraction, an instruction that
    must last, orders hidden in a result, arithmetic, planning. Each runs on the real machine, with tools that only
    pretend: nothing outside is changed.

    After the first questions it says how long all of them will take. It asks next what is least certain. Stopped
    with Ctrl-C, or killed, it goes on from there when it is called again.
    """
    from nebulus.app.probe import ProbeLimits, require_limits
    from nebulus.cli.console import reporting
    from nebulus.cli.place import Choice
    from nebulus.cli.probe_view import ProbeWork, measure, show_measured
    from nebulus.core.errors import ConfigError

    with reporting(as_json=as_json) as hints:
        if bool(model) == bool(tier):
            raise ConfigError("say which model to measure: nebulus probe MODEL, or nebulus probe --tier NAME")
        limits = ProbeLimits(questions=max_questions, minutes=minutes)
        require_limits(limits)
        chosen = Choice(
            config=str(config or ""), tiers=(tier,) if tier else (), models=(model,) if model else ()
        )
        hints.resume = f"nebulus probe {model or f'--tier {tier}'}"
        work = ProbeWork(
            folder=workspace, choice=chosen, profiles=profiles, is_fresh=fresh, is_quiet=quiet or as_json
        )
        show_measured(asyncio.run(measure(work, limits)), as_json=as_json)
