"""Policies in files.

Invariant: a policy that can't be read is an error; a missing file never means "no policy".
"""

import os
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path

from nebulus.adapters.policies.cedar import CedarPolicy
from nebulus.adapters.policies.sources import PolicyText
from nebulus.core.errors import ConfigError
from nebulus.guard.check import Scene
from nebulus.guard.offered import PLACEHOLDERS, rules_for, tools_named
from nebulus.guard.rules import RuleFile, read_rules


def open_policy(
    path: Path, scene: Scene, *, workspace: Path | None = None, guarded: tuple[Path, ...] = ()
) -> CedarPolicy:
    """Return the policy in the file at `path`, checked against `scene`.

    No tool may change those of the policy's own files, and of `guarded`, that are in `workspace`.

    Raises:
        ConfigError: a file is missing, or contains something that can't be a policy.
    """
    file, (_, *others) = read_policy(path)
    cedar = tuple((other.name, _read(other)) for other in others)
    protected = inside(workspace, (path, *others, *guarded))
    return CedarPolicy(PolicyText(file=file, cedar=cedar, protected=protected), scene)


def policy_by_tools(
    path: Path, *, workspace: Path, guarded: tuple[Path, ...], declared: Collection[str]
) -> Callable[[Scene], CedarPolicy]:
    """Read the policy at `path`, and return what makes it a policy for the tools of a scene, without reading again.

    Rules about tools that are not in the scene are left out of it. All that the rules name must be `declared`.

    Raises:
        ConfigError: a file is missing, contains something that can't be a policy, or names a tool that is not declared.
    """
    file, (_, *others) = read_policy(path)
    for name in tools_named(file):
        if name not in declared:
            raise ConfigError(
                f"{path.name}: the tool {name!r} is not declared",
                fix=f"add [serve.tools.{name}] to the settings, with its effect",
            )
    cedar = tuple((other.name, _read(other)) for other in others)
    protected = inside(workspace, (path, *others, *guarded))

    def policy_of(scene: Scene) -> CedarPolicy:
        specs = (*scene.specs, *PLACEHOLDERS)
        text = PolicyText(file=rules_for(file, specs), cedar=cedar, protected=protected)
        return CedarPolicy(text, Scene(specs=specs, agents=scene.agents))

    return policy_of


def read_policy(path: Path) -> tuple[RuleFile, tuple[Path, ...]]:
    """Return the rules in the file at `path`, and every file that they are in, this one first.

    Raises:
        ConfigError: it is missing, or contains something that is not a rule.
    """
    file = parse_rules(_read(path), source=path.name)
    return file, (path, *(path.parent / name for name in file.cedar))


def parse_rules(text: str, *, source: str) -> RuleFile:
    """Return the rules in `text`, which is TOML.

    Raises:
        ConfigError: it is not valid TOML, or contains something that is not a rule; the message gives the line.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        why = "the run does not start without its policy"
        raise ConfigError(f"{source} is not valid TOML: {error}", fix=f"{why}") from error
    return read_rules(data, text=text, source=source)


def inside(workspace: Path | None, paths: tuple[Path, ...]) -> tuple[str, ...]:
    """Return patterns for those of `paths`, and all beneath them, that lie in `workspace`."""
    if workspace is None:
        return ()
    root = os.path.realpath(workspace)
    found: list[str] = []
    for path in paths:
        relative = os.path.relpath(os.path.realpath(path), root)
        if not relative.startswith(".."):
            found += [relative] if relative == "." else [relative, f"{relative}/**"]
    return tuple(found)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the policy {path} can't be read: {error.strerror}", fix="name a file that exists"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the policy {path} is not UTF-8 text: {error}") from error
