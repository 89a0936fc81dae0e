"""The project's own source, read as data: modules, what they import, and where a rule is waived."""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[3]
WAIVER = "# house: waiver "


@dataclass(frozen=True)
class Import:
    """One imported name: `module` is what follows from or import, `name` the name taken from it."""

    module: str
    name: str
    line: int
    is_lazy: bool


@dataclass(frozen=True)
class Module:
    """A module by its dotted name, with its text."""

    name: str
    text: str
    path: str = "example.py"

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, walked once for all the rules."""
        return list(ast.walk(self.tree))

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")

    def is_waived(self, line: int) -> bool:
        """Whether the line carries a waiver with a reason."""
        return bool(self.lines[line - 1].partition(WAIVER)[2].strip())

    def at(self, line: int, complaint: str) -> str:
        """A complaint with its place."""
        return f"{self.path}:{line}: {complaint}"

    @cached_property
    def imports(self) -> list[Import]:
        """Everything that is imported, in order, with the imports inside functions marked lazy."""
        taken = [node for node in self.nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        functions = [node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        lazy = {line for node in functions for line in range(node.lineno, (node.end_lineno or 0) + 1)}
        found = (each for node in taken for each in _imports(node, is_lazy=node.lineno in lazy))
        return sorted(found, key=lambda each: each.line)


def _imports(node: ast.Import | ast.ImportFrom, *, is_lazy: bool) -> Iterator[Import]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield Import(node.module or "", alias.name, node.lineno, is_lazy)
        else:
            yield Import(alias.name, "", node.lineno, is_lazy)


def modules_of(*folders: str) -> list[Module]:
    """Every module below folders of the project: `src` counts from inside, the others with their name."""
    found = []
    for folder in folders:
        base = ROOT / "src" if folder == "src" else ROOT
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Module(name, path.read_text("utf-8"), path.relative_to(ROOT).as_posix()))
    return found


SOURCE = modules_of("src")
PROGRAMS = [*SOURCE, *modules_of("nano", "bench")]
TESTS = modules_of("tests")


def hold(rule: Callable[[Module], list[str]], modules: Iterable[Module]) -> None:
    """Assert that a rule has no complaint about any module; show every complaint there is."""
    complaints = [complaint for module in modules for complaint in rule(module)]
    assert not complaints, "\n" + "\n".join(complaints)
