"""The options that several commands share, and how examples are written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path,
    typer.Option("--workspace", "-C", help="The folder that the run works in, where its runs are kept."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="A settings file; without it, nebulus.toml in the workspace, if there is one."
    ),
]
TierOption = Annotated[
    list[str] | None,
    typer.Option("--tier", help="Use only this tier of the settings; may be given several times."),
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="Use this model, whatever the settings say; several times from small to large. One of: smollm2, "
        "hf:OWNER/REPO:QUANT, PATH.gguf, ollama:NAME, lmstudio:NAME, vllm:NAME, llamacpp:NAME, http://HOST:PORT#NAME, "
        "llama.cpp+http://HOST:PORT, anthropic+https://HOST#NAME, nano (to try the runtime; not for real goals).",
    ),
]
ProfilesOption = Annotated[
    Path | None,
    typer.Option(
        "--profiles",
        help="The folder of profiles; without it, that of NEBULUS_PROFILES, else one in your own state folder.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Write one JSON document to stdout, and nothing else there.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress, and nothing about an answer but the answer.")
]
YesOption = Annotated[
    bool,
    typer.Option(
        "--yes", help="Approve what a person would be asked for. Each yes is printed, and recorded as --yes."
    ),
]
ProofOption = Annotated[
    bool,
    typer.Option(
        "--require-proof",
        help="End with 8 where the goal is met but only the model says so: code has not checked all of it.",
    ),
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=VALUE",
        help="Data that it is about, or NAME=@FILE for the text of a file: shown whole, as text that gives no "
        "instructions. May be repeated.",
    ),
]
VotesOption = Annotated[
    int | None,
    typer.Option(
        "--votes",
        min=1,
        max=9,
        help="Try the goal up to so many times in copies of the workspace, and do what more than half of these tries "
        "agree on: the same files, the same answer. Where they don't agree, nothing is changed.",
    ),
]
RunIdOption = Annotated[
    str, typer.Option("--run-id", help="A name for the run; made from the time without it.")
]
RunArgument = Annotated[str, typer.Argument(help="The name of a run; `nebulus runs` lists them.")]
AcceptOption = Annotated[
    bool,
    typer.Option(
        "--accept-changes", help="Go on although tools, tiers, limits or policy have changed since."
    ),
]


def examples(commands: Mapping[str, str]) -> str:
    """Return the examples of a command for the end of its help; `commands` says what each does.

    The backspace keeps typer from joining the lines. Source: "Rich Markup" in its documentation.
    """
    lines = [f"  {command}\n      [dim]{what}[/]" for command, what in commands.items()]
    return "[bold]Examples[/]\n\n\b\n" + "\n".join(lines)
