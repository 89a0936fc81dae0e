"""The commands about what was measured: profile list, show, compare, learn."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nebulus.cli.options import (
    ConfigOption,
    JsonOption,
    ProfilesOption,
    RunArgument,
    WorkspaceOption,
    examples,
)

if TYPE_CHECKING:
    from nebulus.adapters.profiles.store import ProfileStore
    from nebulus.ceiling.profile import Profile

NAMED = "A model as for `nebulus run --model`, the name of a profile, or the path of one."
HERE = Path()
ModelArgument = Annotated[str, typer.Argument(help=NAMED)]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    profile = typer.Typer(
        help="What models were measured to do: list, show, compare profiles, learn from runs.",
        no_args_is_help=True,
    )
    profile.command(name="list", epilog=examples({"nebulus profile list": "all that were measured"}))(list_)
    profile.command(
        epilog=examples(
            {
                "nebulus profile show ollama:qwen3:8b": "rates with intervals, and how deep it carries",
                "nebulus profile show shared/qwen3.json --json": "a file that somebody shared, for a script",
            }
        )
    )(show)
    profile.command(
        epilog=examples(
            {"nebulus profile compare smollm2 ollama:qwen3:8b": "the same questions, side by side"}
        )
    )(compare)
    profile.command(
        epilog=examples({"nebulus profile learn 20260101-120000-ab12": "count what its checks have proven"})
    )(learn)
    app.add_typer(profile, name="profile")


def list_(*, profiles: ProfilesOption = None, as_json: JsonOption = False) -> None:
    """List the profiles, with the models that they are about, and those that can't be read."""
    from nebulus.app import bootstrap_profiles
    from nebulus.cli.console import reporting, show_json, stdout
    from nebulus.cli.console import show as show_lines
    from nebulus.report.profiles import listed_line, listed_row
    from nebulus.report.text import Line, safe

    with reporting(as_json=as_json):
        store = bootstrap_profiles.profiles(profiles)
        found = list(store.all())
        if as_json:
            show_json(
                [
                    listed_row(one.profile, str(one.path))
                    if one.profile
                    else {"path": str(one.path), "problem": one.problem}
                    for one in found
                ]
            )
            return
        if not found:
            where = f"there are no profiles in {store.folder}; nebulus probe MODEL makes one"
            show_lines([Line(safe(where), "dim")], stdout())
        show_lines(
            [listed_line(one.profile) if one.profile else Line(safe(one.problem), "red") for one in found],
            stdout(),
        )


def show(model: ModelArgument, *, profiles: ProfilesOption = None, as_json: JsonOption = False) -> None:
    """Show what a model was measured to do: rates with 90 % intervals, and how deep it carries."""
    from nebulus.app import bootstrap_profiles
    from nebulus.cli.console import reporting, show_json, stdout
    from nebulus.cli.console import show as show_lines
    from nebulus.report.profiles import profile_document, profile_lines

    with reporting(as_json=as_json):
        profile, stale = _named(model, bootstrap_profiles.profiles(profiles))
        if as_json:
            show_json(profile_document(profile, stale=stale))
        else:
            show_lines(profile_lines(profile, stale=stale), stdout())


def compare(
    first: ModelArgument,
    second: ModelArgument,
    *,
    profiles: ProfilesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what two models were measured to do, side by side."""
    from nebulus.app import bootstrap_profiles
    from nebulus.cli.console import reporting, show_json, stdout
    from nebulus.cli.console import show as show_lines
    from nebulus.report.profiles import comparison_document, comparison_lines

    with reporting(as_json=as_json):
        store = bootstrap_profiles.profiles(profiles)
        one, other = (_named(name, store)[0] for name in (first, second))
        if as_json:
            show_json(comparison_document(one, other))
        else:
            show_lines(comparison_lines(one, other), stdout())


def learn(
    run_id: RunArgument,
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    profiles: ProfilesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add what a run showed to the profiles of its models: each run once, and only what code knows.

    A step counts as right if its checks passed, and as wrong for a model that failed at it or had to be replaced by a
    larger one. What was only called or claimed is not counted.
    """
    import asyncio

    from nebulus.app import bootstrap_profiles
    from nebulus.cli.profile_learning import learned, learned_lines
    from nebulus.cli.view import open_view

    with open_view(workspace, config, as_json=as_json) as view:
        found = asyncio.run(
            learned(run_id, view.settings, workspace, store=bootstrap_profiles.profiles(profiles))
        )
        view.show(found, learned_lines)


def _named(name: str, store: "ProfileStore") -> "tuple[Profile, tuple[str, ...]]":
    """Return the profile that `name` means, and what has changed about its model since it was measured.

    Raises:
        ConfigError: there is none, or it can't be read.
    """
    from nebulus.adapters.profiles.store import read_profile
    from nebulus.app import bootstrap_profiles
    from nebulus.app.settings import TierSettings
    from nebulus.core.errors import ConfigError

    if name.endswith(".json"):
        return read_profile(Path(name)), ()
    stored = store.folder / f"{name}.json"
    if "/" not in name and stored.exists():
        return read_profile(stored), ()
    there = ", ".join(path.stem for path in sorted(store.folder.glob("*.json"))[:8])
    measured = f"measured are {there}" if there else f"there are no profiles in {store.folder}"
    try:
        model = bootstrap_profiles.model_identity(TierSettings(model=name))
    except ConfigError as error:
        raise ConfigError(
            f"{name!r} is neither a profile nor a model", fix=f"{measured}; nebulus probe MODEL makes one"
        ) from error
    profile = store.find(model)
    if profile is None:
        raise ConfigError(
            f"{name} was not measured yet: there is no {store.path(model)}",
            fix=f"{measured}; nebulus probe {name} measures it",
        )
    return profile, profile.model.changes(model)
