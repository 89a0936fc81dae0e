"""A default install stays small, and whatever the source imports is a direct dependency."""

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.house.source import ROOT, SOURCE, Module, hold

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MOST_PACKAGES = 40
MOST_MEGABYTES = 120


def closure(requirements: Iterable[str]) -> dict[str, Distribution]:
    """Every package that an install of `requirements` includes, by its canonical name."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in found and not wanted.extras:
            continue
        found[name] = distribution(wanted.name)
        for inner in map(Requirement, found[name].requires or ()):
            environments = [{"extra": extra} for extra in wanted.extras or {""}]
            if inner.marker is None or any(map(inner.marker.evaluate, environments)):
                waiting.append(inner)
    return found


def undeclared_complaints(module: Module) -> list[str]:
    """Imports of packages that the project does not ask for itself."""
    optional = (text for extra in PROJECT["optional-dependencies"].values() for text in extra)
    asked = {Requirement(text).name.replace("-", "_") for text in (*PROJECT["dependencies"], *optional)}
    return [
        module.at(taken.line, f"imports {root}, which pyproject.toml does not ask for")
        for taken in module.imports
        if (root := taken.module.partition(".")[0]) not in {"nebulus", *sys.stdlib_module_names, *asked}
        and not any(name.startswith(f"{root}_") for name in asked)  # a namespace of several packages
    ]


def size_bytes(package: Distribution) -> int:
    """What the files of a package take, compiled modules included."""
    paths = {str(package.locate_file(file)) for file in package.files or ()}
    return sum(path.stat().st_size for path in map(type(ROOT), paths) if path.is_file())


def test_a_default_install_is_small() -> None:
    packages = closure(PROJECT["dependencies"])
    ours = sum(path.stat().st_size for path in (ROOT / "src").rglob("*") if path.is_file())
    megabytes = (ours + sum(map(size_bytes, packages.values()))) / 1e6
    assert len(packages) + 1 <= MOST_PACKAGES, sorted(packages)
    assert 10 < megabytes <= MOST_MEGABYTES


def test_a_package_of_an_extra_is_not_part_of_a_default_install() -> None:
    only_extra = {"cedarpy", "xllamacpp", "torch", "numpy", "pytest", "matplotlib", "mypy"}
    assert not only_extra & set(closure(PROJECT["dependencies"]))


def test_whatever_the_source_imports_is_required_by_name() -> None:
    hold(undeclared_complaints, SOURCE)


def test_an_import_of_an_indirect_dependency_is_found() -> None:
    assert undeclared_complaints(Module("m", "import requests\n")) != []
    assert undeclared_complaints(Module("m", "import dbos, json\nfrom nebulus.core import plan\n")) == []


def test_what_a_package_needs_for_one_of_its_extras_is_counted_with_that_extra() -> None:
    assert "psycopg-binary" in closure(["psycopg[binary]"])
    assert "psycopg-binary" not in closure(["psycopg"])
