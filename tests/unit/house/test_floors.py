"""A floor imports only from floors below it: nothing reaches up, sideways or in a circle."""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from tests.unit.house.source import SOURCE, Import, Module, hold

PRINCIPLES = frozenset({"routing", "memory", "calls", "guard", "recovery", "delegation", "ceiling", "voting"})
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"core"}),
    frozenset({"ports"}),
    PRINCIPLES,
    frozenset({"loop"}),
    frozenset({"report"}),
    frozenset({"transcript"}),
    frozenset({"adapters"}),
    frozenset({"testing"}),
    frozenset({"runtime"}),
    frozenset({"app"}),
    frozenset({""}),  # nebulus/__init__.py: the public names
    frozenset({"proxy", "web", "mcp_server"}),
    frozenset({"cli"}),  # starts the others
    frozenset({"__main__"}),
)
HEIGHT = {folder: height for height, floor in enumerate(FLOORS) for folder in floor}
NEVER_IMPORTED = frozenset({"nano", "bench", "tests"})
LAZY_PLACES = ("nebulus.app.bootstrap", "nebulus.cli.")


def folder_of(module: str) -> str:
    """The folder of the floor; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def floor_complaints(module: Module) -> list[str]:
    here = folder_of(module.name)
    if here not in HEIGHT:
        return [module.at(1, f"{here!r} belongs to no floor; the floors are in {__name__}")]
    complaints = []
    for taken in module.imports:
        root = taken.module.partition(".")[0]
        if root in NEVER_IMPORTED:
            complaints.append(module.at(taken.line, f"imports {root}, which is no part of the library"))
        if root != "nebulus" or module.is_waived(taken.line):
            continue
        there = folder_of(target_of(taken, known=KNOWN))
        if there != here and HEIGHT.get(there, len(FLOORS)) >= HEIGHT[here]:
            complaints.append(
                module.at(taken.line, f"{here} imports from {there or 'nebulus'}, not a floor below")
            )
    return complaints


def target_of(taken: Import, *, known: frozenset[str]) -> str:
    """The module that an import leads to: the submodule where the name is one, else the module itself."""
    inner = f"{taken.module}.{taken.name}"
    return inner if inner in known else taken.module


def circle_among(modules: Sequence[Module]) -> list[str]:
    """The first circle of imports, as module names that end where they began; empty if there is none."""
    known = frozenset(module.name for module in modules)
    graph = {
        module.name: {target_of(taken, known=known) for taken in module.imports} & known - {module.name}
        for module in modules
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def lazy_complaints(module: Module) -> list[str]:
    if module.name.startswith(LAZY_PLACES):
        return []
    complaints = [
        module.at(taken.line, f"imports {taken.module} inside a function")
        for taken in module.imports
        if taken.is_lazy and not module.is_waived(taken.line)
    ]
    for number, line in enumerate(module.lines, start=1):
        if ("import_module(" in line or "__import__(" in line) and not module.is_waived(number):
            complaints.append(module.at(number, "imports by name; only the bootstrap and the commands may"))
    return complaints


KNOWN = frozenset(module.name for module in SOURCE)


def test_every_file_imports_only_from_floors_below_its_own() -> None:
    hold(floor_complaints, SOURCE)


def test_no_imports_go_in_a_circle() -> None:
    assert circle_among(SOURCE) == []


def test_nothing_is_imported_lazily_outside_the_bootstrap_and_the_commands() -> None:
    hold(lazy_complaints, SOURCE)


def test_an_import_from_above_is_found() -> None:
    bad = Module("nebulus.core.plan", "from nebulus.loop import machine\n")
    assert floor_complaints(bad) == ["example.py:1: core imports from loop, not a floor below"]


def test_an_import_of_the_package_itself_counts_as_the_floor_of_its_submodule() -> None:
    assert floor_complaints(Module("nebulus.core.plan", "from nebulus import loop\n")) != []
    assert floor_complaints(Module("nebulus.runtime.drive", "from nebulus import core\n")) == []


def test_an_import_between_principles_is_found() -> None:
    assert floor_complaints(Module("nebulus.guard.gate", "import nebulus.memory.compose\n")) != []
    assert floor_complaints(Module("nebulus.guard.gate", "import nebulus.guard.rules\n")) == []


def test_an_import_under_type_checking_counts() -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nebulus.runtime import drive\n"
    assert floor_complaints(Module("nebulus.loop.machine", text)) != []


def test_a_folder_of_no_floor_and_an_import_of_the_benchmarks_are_found() -> None:
    assert floor_complaints(Module("nebulus.extras.thing", "")) != []
    assert floor_complaints(Module("nebulus.app.demo", "from nano.language import Job\n")) != []


def test_a_waiver_needs_a_reason() -> None:
    bad = "from nebulus.loop import machine  # house: waiver"
    assert floor_complaints(Module("nebulus.core.plan", bad)) != []
    assert floor_complaints(Module("nebulus.core.plan", bad + " until the words move down")) == []


def test_a_circle_is_found() -> None:
    there = Module("nebulus.core.a", "from nebulus.core import b\n")
    back = Module("nebulus.core.b", "from nebulus.core.a import thing\n")
    assert set(circle_among([there, back])) == {"nebulus.core.a", "nebulus.core.b"}


def test_a_lazy_import_is_found() -> None:
    bad = "def f():\n    import json\n\n\nasync def g():\n    return __import__('json')\n"
    assert len(lazy_complaints(Module("nebulus.runtime.drive", bad))) == 2
    assert lazy_complaints(Module("nebulus.app.bootstrap", bad)) == []
    assert lazy_complaints(Module("nebulus.cli.run", bad)) == []
