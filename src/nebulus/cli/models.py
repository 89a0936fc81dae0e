"""The commands about model files: models list, pull, rm."""

from typing import Annotated

import typer

from nebulus.cli.options import JsonOption, QuietOption, examples

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="hf:OWNER/REPO:QUANT.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    models = typer.Typer(
        help="The model files on this machine: list, fetch, remove.", invoke_without_command=True
    )
    models.callback()(models_group)
    models.command(
        name="list", epilog=examples({"nebulus models": "where each is, and what it needs in memory"})
    )(list_models)
    models.command(
        epilog=examples(
            {
                "nebulus models pull hf:Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:Q4_K_M": "before it is needed",
                "HF_ENDPOINT=https://hub.example.org nebulus models pull hf:team/model": "from another hub",
            }
        )
    )(pull)
    models.command(
        epilog=examples(
            {
                "nebulus models rm hf:Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:Q4_K_M": "asks, then removes its files"
            }
        )
    )(rm)
    app.add_typer(models, name="models")


def models_group(context: typer.Context, as_json: JsonOption = False) -> None:
    """List, fetch and remove model files; without a command, list them."""
    if context.invoked_subcommand is None:
        list_models(as_json=as_json)


def list_models(*, as_json: JsonOption = False) -> None:
    """List the model files on this machine: name, size, place, and what each needs in memory at its window.

    These are the models of installed packages, and those in the cache of Hugging Face, which other programs
    share. What they need is an estimate: the file, its cache at the window, and what computing takes.
    """
    from nebulus.cli.console import reporting, show, show_json, stdout
    from nebulus.cli.model_list import model_files, model_lines

    with reporting(as_json=as_json):
        models = list(model_files())
        if as_json:
            show_json(models)
        else:
            show(model_lines(models), stdout())


def pull(name: NameArgument, *, quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """Fetch a model from Hugging Face, or what is new of it. Goes on where an earlier try was interrupted.

    It is checked by its SHA-256 and kept in the cache that other programs share (HF_HUB_CACHE). HF_ENDPOINT
    names another hub, HF_TOKEN a token for models that need one.
    """
    from nebulus.adapters.backends.hub_files import read_name
    from nebulus.cli.console import reporting, show, show_json, stdout
    from nebulus.cli.model_list import hub_of, model_file, model_lines

    with reporting(as_json=as_json):
        hub = hub_of(name)
        from nebulus.adapters.backends.hub_progress import NoProgress, StderrProgress

        found = hub.find(name)
        hub.download(found, NoProgress() if quiet else StderrProgress())
        model = model_file(str(read_name(name)), hub.files(found))
        if as_json:
            show_json(model)
        else:
            show(model_lines([model]), stdout())


def rm(
    name: NameArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it without being asked.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the files of a model that was fetched from Hugging Face. Other programs lose it too."""
    from nebulus.adapters.backends.hub_files import size_text
    from nebulus.cli.console import reporting, show_json
    from nebulus.cli.model_list import cached_model, hub_of
    from nebulus.cli.watch import is_terminal
    from nebulus.core.errors import ConfigError

    with reporting(as_json=as_json):
        cache = hub_of(name).cache
        model = cached_model(cache, name)
        what = f"{model.name} ({size_text(model.size_bytes)}) from {cache.folder}"
        if not yes and not is_terminal():
            raise ConfigError(f"removing {what} needs a yes", fix="say --yes")
        if not yes and not typer.confirm(f"Remove {what}?", err=True):
            raise ConfigError(f"{model.name} was not removed", fix="say y, or --yes")
        freed = cache.remove(model)
        if as_json:
            show_json({"removed": str(model.name), "freed_bytes": freed})
        else:
            print(f"removed {model.name}, {size_text(freed)} freed")
