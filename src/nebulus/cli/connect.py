"""The command that sets clients up for the proxy: connect."""

from typing import TYPE_CHECKING, Annotated

import typer

from nebulus.cli.options import examples
from nebulus.core.unreadable import UNREADABLE

if TYPE_CHECKING:
    from nebulus.proxy.connect import ClientSettings, Target

URL = "http://127.0.0.1:8484"
MOST_BYTES = 1 << 16
"""How much of what the proxy says of a model is read."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus connect claude-code": "show what to set",
                "nebulus connect opencode --write": "write it into opencode.json of this folder",
                "nebulus connect opencode --undo": "put the file back as it was",
                "nebulus connect codex --url http://box:8484": "for a proxy elsewhere",
            }
        )
    )(connect)


def connect(
    client: Annotated[
        str,
        typer.Argument(
            help="The client: claude-code, codex, opencode, qwen-code, aider, openai or anthropic."
        ),
    ],
    *,
    url: Annotated[str, typer.Option("--url", help="Where the proxy listens.")] = URL,
    model: Annotated[str, typer.Option("--as", help="The model that the client asks for.")] = "nebulus",
    write: Annotated[
        bool, typer.Option("--write", help="Write the settings into the client's file.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put the client's file back as it was.")] = False,
) -> None:
    """Show what to set in a client of `nebulus serve`, or write it into the client's own file.

    The proxy is asked for the window of its model. A token that it needs is not written anywhere: set it yourself.
    """
    from nebulus.cli.console import reporting
    from nebulus.core.errors import ConfigError
    from nebulus.proxy.connect import Target, settings_of

    with reporting(as_json=False):
        if write and undo:
            raise ConfigError("--write and --undo exclude each other")
        target = Target(url=url.rstrip("/").removesuffix("/v1"), model=model)
        settings = settings_of(client, _with_window(target, is_needed=not undo))
        if undo:
            _undo(settings, client)
        elif write:
            _write(settings, client)
        else:
            _show(settings)


def _with_window(target: "Target", *, is_needed: bool) -> "Target":
    """Return `target` with the window that the proxy tells; as it is where none answers."""
    import sys
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    import msgspec
    from msgspec.structs import replace

    from nebulus.proxy.connect import ModelEntry

    if not is_needed:
        return target
    try:
        with urllib.request.urlopen(f"{target.url}/v1/models/{target.model}", timeout=2) as response:  # noqa: S310
            entry = msgspec.json.decode(response.read(MOST_BYTES), type=ModelEntry)
        return replace(target, window_tokens=entry.context_length)
    except (*UNREADABLE, OSError, HTTPException, ValueError) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        sys.stderr.write(
            f"the window is not known: {target.url} does not tell it ({why}); is `nebulus serve` running?\n"
        )
        return target


def _name(settings: "ClientSettings", client: str) -> str:
    """Return the name of the client's file.

    Raises:
        ConfigError: it has none.
    """
    from nebulus.core.errors import ConfigError

    if not settings.file:
        raise ConfigError(
            f"{client} has no file that is known; set the variables that `nebulus connect {client}` shows"
        )
    return settings.file


def _write(settings: "ClientSettings", client: str) -> None:
    """Put the settings into the client's file."""
    from nebulus.cli.console import stderr
    from nebulus.proxy.client_files import place_of, text_of, write
    from nebulus.proxy.connect import merged

    path = place_of(_name(settings, client))
    write(path, merged(text_of(path) or "", settings))
    stderr().print(f"wrote {path}; `nebulus connect {client} --undo` puts it back", markup=False)
    _show_rest(settings)


def _undo(settings: "ClientSettings", client: str) -> None:
    """Put the client's file back as it was, unless somebody has changed it since."""
    from nebulus.cli.console import stderr
    from nebulus.proxy.client_files import place_of, put_back

    path = place_of(_name(settings, client))
    put_back(path)
    stderr().print(f"{path} is as it was", markup=False)


def _show(settings: "ClientSettings") -> None:
    """Write the variables as a shell takes them, and what belongs into the file."""
    import json

    lines = [f"export {name}={value}" for name, value in settings.variables.items()]
    if settings.file and settings.content is not None:
        text = settings.content if settings.form == "block" else json.dumps(settings.content, indent=2)
        lines += ["", f"# in {settings.file}:", text]
    print("\n".join([*lines, "", f"# then {settings.then}"]).lstrip("\n"))


def _show_rest(settings: "ClientSettings") -> None:
    """Write what the file does not set."""
    lines = []
    if settings.form == "block":
        lines = [f"export {name}={value}" for name, value in settings.variables.items()]
    print("\n".join([*lines, f"# then {settings.then}"]))
