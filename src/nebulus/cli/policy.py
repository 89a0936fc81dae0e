"""The commands about rules: policy check, explain, test, schema."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from nebulus.cli.options import ConfigOption, JsonOption, WorkspaceOption, examples

HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    policy = typer.Typer(no_args_is_help=True, help="The rules that decide which calls are made.")
    policy.command(
        epilog=examples({"nebulus policy check": "do the rules fit the tools that a run would have"})
    )(check)
    policy.command(
        epilog=examples(
            {
                'nebulus policy explain delete_file \'{"path": "a.txt"}\'': "may it, and by which rule",
                'nebulus policy explain write_file \'{"path": "a", "content": "x"}\' --tainted --endorsed content': (
                    "after text from outside was read, and where only the content is the user's"
                ),
            }
        )
    )(explain)
    policy.command(
        name="test",
        epilog=examples({"nebulus policy test cases.toml": "what must be allowed, asked, denied"}),
    )(try_cases)
    policy.command(epilog=examples({"nebulus policy schema": "everything that a rule in Cedar can name"}))(
        schema
    )
    app.add_typer(policy, name="policy")


def check(
    *, workspace: WorkspaceOption = HERE, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Check the policy against the tools. Ends with 2, and the line and the fix, where it doesn't fit."""
    from nebulus.cli import policy_cases
    from nebulus.cli.view import open_view

    with open_view(workspace, config, as_json=as_json) as view:
        view.show(asyncio.run(policy_cases.checked(view.settings, workspace)), policy_cases.check_lines)


def explain(
    tool: Annotated[str, typer.Argument(help="The tool that would be called.")],
    arguments: Annotated[str, typer.Argument(help="Its arguments, as a JSON object.")] = "{}",
    *,
    tainted: Annotated[bool, typer.Option("--tainted", help="Text from outside was read before.")] = False,
    unplanned: Annotated[
        bool, typer.Option("--unplanned", help="The plan did not set out to use the tool.")
    ] = False,
    endorsed: Annotated[
        list[str] | None,
        typer.Option(
            "--endorsed", help="An argument whose value is in the user's words; without it none is."
        ),
    ] = None,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a call would be allowed, asked or refused, and why; nothing is run."""
    from nebulus.cli import policy_cases
    from nebulus.cli.view import open_view

    with open_view(workspace, config, as_json=as_json) as view:
        case = policy_cases.case_of(
            tool, arguments, tainted=tainted, planned=not unplanned, endorsed=tuple(endorsed or ())
        )
        view.show(
            asyncio.run(policy_cases.explained(case, view.settings, workspace)), policy_cases.explain_lines
        )


def try_cases(
    file: Annotated[Path, typer.Argument(help="Cases, as [[case]] tables of TOML.")],
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide the cases of a file and compare. Ends with 6 if one is decided otherwise than it says.

    A case names a tool, its arguments and what is expected (allow, ask or deny; a rule too, if it matters),
    and may say tainted, planned, endorsed, who, and how often tools were called before (done).
    """
    from nebulus.cli import policy_cases
    from nebulus.cli.exits import Exit
    from nebulus.cli.view import open_view

    with open_view(workspace, config, as_json=as_json) as view:
        found = asyncio.run(policy_cases.tested(file, view.settings, workspace))
        view.show(found, policy_cases.test_lines)
        if any(not result.is_right for result in found):
            raise typer.Exit(Exit.FAILED)


def schema(
    *, workspace: WorkspaceOption = HERE, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Write what a rule can name, as a Cedar schema in JSON, made from the tools' own schemas."""
    from nebulus.cli import policy_cases
    from nebulus.cli.console import show_json
    from nebulus.cli.view import open_view

    with open_view(workspace, config, as_json=as_json) as view:
        show_json(asyncio.run(policy_cases.schema(view.settings, workspace)))
