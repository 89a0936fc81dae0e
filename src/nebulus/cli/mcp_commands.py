"""The commands about MCP: list, check and accept the tools of servers, and serve runs to clients."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nebulus.cli.options import (
    ConfigOption,
    JsonOption,
    ModelOption,
    TierOption,
    WorkspaceOption,
    examples,
)

if TYPE_CHECKING:
    from nebulus.adapters.mcp.servers import Found
    from nebulus.adapters.mcp.settings import McpServerSettings
    from nebulus.core.tools import ToolSpec
    from nebulus.report.text import Line

HERE = Path()
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of a server: [mcp.NAME] in the settings.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    mcp = typer.Typer(
        help="Servers of the Model Context Protocol: their tools here, and runs for its clients."
    )
    mcp.command(
        name="list", epilog=examples({"nebulus mcp list": "the servers of the settings; none is started"})
    )(list_servers)
    mcp.command(
        epilog=examples(
            {
                "nebulus mcp check": "start every server once, and say what it offers",
                "nebulus mcp check time": "one server, with what its program wrote to stderr",
            }
        )
    )(check)
    mcp.command(
        epilog=examples(
            {
                "nebulus mcp accept time": "read what its tools are, then say yes or no",
                "nebulus mcp accept time --yes": "in a script that has read them in another way",
            }
        )
    )(accept)
    mcp.command(
        epilog=examples(
            {
                "nebulus mcp serve": "as the command of an MCP client: over stdin and stdout",
                "nebulus mcp serve -C project -m ollama:qwen3:8b": "for a folder, with a model",
            }
        )
    )(serve)
    app.add_typer(mcp, name="mcp")


def list_servers(
    *, workspace: WorkspaceOption = HERE, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the servers of the settings, and how many of their tools you have accepted. None is started."""
    from nebulus.app.bootstrap_mcp import pins
    from nebulus.cli.console import stderr
    from nebulus.cli.view import open_view
    from nebulus.core.text import counted
    from nebulus.report.text import Line, one_line

    with open_view(workspace, config, as_json=as_json) as view:
        known = pins()
        rows: list[dict[str, object]] = []
        for name, server in view.settings.mcp.items():
            tools = known.accepted(name, server)
            rows.append(
                {"name": name, "address": server.address, "accepted": None if tools is None else len(tools)}
            )
        if not rows and not as_json:
            stderr().print("No MCP server is set; write [mcp.NAME] in nebulus.toml.")

        def lines(rows: "list[dict[str, object]]") -> "Iterator[Line]":
            for row in rows:
                count = row["accepted"]
                how = f"{counted(count, 'tool')} accepted" if isinstance(count, int) else "not accepted yet"
                yield Line(f"{row['name']}  {how}  {one_line(str(row['address']))}")

        view.show(rows, lines)


def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="The servers; all without one.")
    ] = None,
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start servers once, and say what they offer, what was accepted, and what their programs wrote to stderr.

    Ends with 2 if a run would not begin: a server can't be used, or its tools were not accepted as they are.
    """
    from nebulus.app.bootstrap_mcp import look_at, server_of
    from nebulus.cli.console import reporting, show, show_json, stdout
    from nebulus.cli.exits import Exit
    from nebulus.cli.place import Choice, settings_of

    with reporting(as_json=as_json):
        settings = settings_of(workspace, Choice(config=str(config or "")))
        wanted = names or list(settings.mcp)
        for name in wanted:
            server_of(name, settings)
        founds = [asyncio.run(look_at(name, settings, folder=workspace)) for name in wanted]
        if as_json:
            show_json([_document(found) for found in founds])
        else:
            show([line for found in founds for line in _lines(found, settings.mcp[found.name])], stdout())
        if any(found.difference.is_first or found.difference.changed for found in founds):
            raise typer.Exit(Exit.USAGE)


def accept(
    name: NameArgument,
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Accept without being asked.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read what the tools of a server are, and accept them as they are now.

    What a server says about its tools is text from outside that models read. It is pinned by its digest in
    nebulus/mcp.json of your own state folder, which no run can write; a run does not begin while it differs.
    """
    from nebulus.app.bootstrap_mcp import look_at, pins, server_of
    from nebulus.cli.console import reporting, show, show_json, stderr
    from nebulus.cli.place import Choice, settings_of
    from nebulus.cli.watch import is_terminal
    from nebulus.core.errors import ConfigError
    from nebulus.core.text import counted

    with reporting(as_json=as_json):
        settings = settings_of(workspace, Choice(config=str(config or "")))
        server = server_of(name, settings)
        found = asyncio.run(look_at(name, settings, folder=workspace))
        show(list(_lines(found, server)), stderr())
        difference = found.difference
        count = len(difference.fresh) + len(difference.changed)
        if count or difference.gone or difference.is_first:
            if not yes and not is_terminal():
                raise ConfigError(f"accepting {counted(count, 'tool')} needs a yes", fix="say --yes")
            if not yes and not typer.confirm(f"Accept {counted(count, 'tool')} as shown?", err=True):
                raise ConfigError(f"the tools of {name} were not accepted", fix="nothing was changed")
            pins().accept(name, server, found.offered)
        if as_json:
            show_json(_document(found) | {"accepted": True})
        else:
            print(f"accepted: {counted(len(found.offered), 'tool')} of {name}")


def serve(
    *,
    workspace: WorkspaceOption = HERE,
    tier: TierOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
) -> None:
    """Serve MCP clients over stdin and stdout: they can begin runs, ask, look at runs, and have questions answered.

    The guard is that of every other run. What needs a yes is asked through the client's own dialogue with its user,
    if it has one; otherwise the answer says which command approves it. A client's model can't approve anything.
    """
    from nebulus.app.bootstrap import fetch_models
    from nebulus.app.bootstrap_mcp import require_mcp
    from nebulus.cli.console import reporting
    from nebulus.cli.place import settings_of
    from nebulus.cli.run_commands import choice_of

    with reporting(as_json=False):
        choice = choice_of(config, tier, model)
        settings = settings_of(workspace, choice, asks=False)
        require_mcp(settings)
        from nebulus.mcp_server.server import serve_stdio

        async def serve_all() -> None:
            await fetch_models(settings, is_quiet=True)
            await serve_stdio(settings, workspace.resolve(), remembered=choice.remembered())

        asyncio.run(serve_all())


def _document(found: "Found") -> dict[str, object]:
    difference = found.difference
    return {
        "name": found.name,
        "server": found.listed.version,
        "protocol": found.listed.protocol,
        "tools": [
            {"name": spec.name, "effect": spec.effect, "is_accepted": spec.name in found.accepted_names}
            for _, spec in found.pairs
        ],
        "unusable": [{"name": one.name, "why": one.why} for one in found.unusable],
        "fresh": [one.name for one in difference.fresh],
        "changed": [new.name for _, new in difference.changed],
        "gone": difference.gone,
        "stderr": found.words,
    }


def _lines(found: "Found", server: "McpServerSettings") -> "Iterator[Line]":
    """Yield what there is to know about a server. All of it is text from outside, and is shown as such."""
    from nebulus.adapters.mcp.definitions import spec_of
    from nebulus.core.tools import ToolSpec
    from nebulus.report.text import Line, one_line, safe_lines

    listed, difference = found.listed, found.difference
    yield Line(
        f"{found.name}: {one_line(listed.version) or 'a server without a name'}, protocol {listed.protocol}",
        "bold",
    )
    changed = {new.name: old for old, new in difference.changed}
    fresh = {one.name for one in difference.fresh}
    for definition, spec in found.pairs:
        mark = "changed " if definition.name in changed else "new " if definition.name in fresh else ""
        yield Line(f"  {mark}{spec.name}  {spec.effect.value}", "yellow" if mark else "")
        before = changed.get(definition.name)
        if before is not None:
            was = spec_of(before, found.name, server)
            yield from _shown(was, "was: ") if isinstance(was, ToolSpec) else ()
        if mark:
            yield from _shown(spec, "now: " if before is not None else "")
    for one in found.unusable:
        yield Line(f"  can't be used: {one_line(one.name, 80)}: {one_line(one.why, 300)}", "red")
    for name in difference.gone:
        yield Line(f"  gone: {one_line(name, 80)}", "yellow")
    if found.words:
        yield Line("  its program wrote:", "dim")
        yield from (Line(f"    {line}", "dim") for line in safe_lines(found.words)[-20:])
    yield Line("")


def _shown(spec: "ToolSpec", mark: str) -> "Iterator[Line]":
    """Yield a tool as a model is shown it."""
    from nebulus.adapters.backends.prompted_tools import signature
    from nebulus.report.text import Line, safe_lines

    yield from (Line(f"    {mark}{line}") for line in safe_lines(signature(spec)))
