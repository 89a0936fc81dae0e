"""The command that serves clients: serve."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from nebulus.cli.options import (
    ConfigOption,
    ModelOption,
    QuietOption,
    TierOption,
    WorkspaceOption,
    examples,
)

if TYPE_CHECKING:
    from nebulus.app.settings import Settings
    from nebulus.proxy.upstream import Upstream

HERE = Path()
PORT = 8484
TOKEN_VARIABLE = "NEBULUS_TOKEN"  # noqa: S105 - the name of a variable


class Where(NamedTuple):
    """Where the proxy works and listens; `token` is what clients must send, "" for nothing."""

    folder: Path
    host: str
    port: int
    token: str


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus serve": "the tiers of nebulus.toml, for clients on this machine",
                "nebulus serve -m ollama:qwen3:8b": "one model, without a nebulus.toml",
                "nebulus serve -m http://127.0.0.1:8080 --port 9000": "in front of a llama.cpp server",
                "NEBULUS_TOKEN=$(openssl rand -hex 16) nebulus serve --host 0.0.0.0": "for other machines, with a token",
            }
        )
    )(serve)


def serve(
    *,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on. Any but loopback needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port; 0 for any that is free.")] = PORT,
    token_env: Annotated[
        str,
        typer.Option(
            "--token-env",
            help="The environment variable with the token that clients must send. If it is set, it is required.",
        ),
    ] = TOKEN_VARIABLE,
    history: Annotated[
        str,
        typer.Option(
            "--history",
            help="What becomes of a history that does not fit: pass refuses it, fold shortens what is old. "
            "Without it, the settings say.",
        ),
    ] = "",
    workspace: WorkspaceOption = HERE,
    tier: TierOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    quiet: QuietOption = False,
) -> None:
    """Serve OpenAI and Anthropic clients, with the runtime between them and the models.

    Calls are parsed, repaired, validated and retried before the client sees them; text is streamed. The client runs the
    tools. Stop it with Ctrl-C.
    """
    import os

    from nebulus.cli.console import reporting
    from nebulus.cli.place import settings_of
    from nebulus.cli.run_commands import choice_of
    from nebulus.proxy.access import check_exposure

    with reporting(as_json=False):
        token = os.environ.get(token_env, "")
        check_exposure(host, token)
        settings = _with_history(settings_of(workspace, choice_of(config, tier, model)), history)
        where = Where(workspace, host, port, token)
        asyncio.run(_serve(settings, where, is_quiet=quiet))


def _with_history(settings: "Settings", history: str) -> "Settings":
    """Return `settings` with what the flag says about histories.

    Raises:
        ConfigError: the flag can't be meant.
    """
    import msgspec

    from nebulus.app.serve_settings import ServeSettings
    from nebulus.core.errors import ConfigError

    if not history:
        return settings
    if history not in ("pass", "fold"):
        raise ConfigError(f"--history {history!r} is neither pass nor fold")
    serve = ServeSettings(history=history, tools=settings.serve.tools)  # type: ignore[arg-type]
    return msgspec.structs.replace(settings, serve=serve)


async def _serve(settings: "Settings", where: Where, *, is_quiet: bool) -> None:
    """Serve until somebody stops it.

    Raises:
        ConfigError: a model or the address can't be used.
    """
    import signal

    from nebulus.app import bootstrap
    from nebulus.core.errors import ConfigError
    from nebulus.proxy.access import Access
    from nebulus.proxy.opening import open_upstream
    from nebulus.proxy.server import ProxyServer

    await bootstrap.fetch_models(settings, is_quiet=is_quiet)
    async with open_upstream(settings, where.folder) as upstream:
        server = ProxyServer(upstream, access=Access(where.token))
        try:
            await server.start(where.host, where.port)
        except OSError as error:
            raise ConfigError(
                f"can't listen on {where.host}:{where.port}: {error.strerror}", fix="choose another --port"
            ) from error
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        if not is_quiet:
            _show(upstream, server.url, has_token=bool(where.token))
        try:
            await stopped.wait()
        finally:
            await server.close()


def _show(upstream: "Upstream", url: str, *, has_token: bool) -> None:
    """Write what is served, and what to set in a client."""
    import sys

    from nebulus.proxy.upstream import ALIAS

    key = "the token" if has_token else "any"
    lines = [f"serving at {url}"]
    for name, served in upstream.tiers.items():
        window = served.tier.window_tokens
        lines.append(f"  {name}: {served.info.model} on {served.info.name}, a window of {window:,} tokens")
    lines += [
        "",
        f"OpenAI clients:     base URL {url}/v1, API key {key}, model {ALIAS}",
        f"Anthropic clients:  base URL {url}, API key {key}, model {ALIAS}",
        "",
        "Ctrl-C stops it.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
