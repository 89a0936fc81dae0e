"""The pure floors do no I/O, read no clock and draw no randomness: they may import a short list, and call less."""

import ast
import re

from tests.unit.house.source import SOURCE, Module, hold
from tests.unit.house.test_floors import PRINCIPLES, folder_of

PURE_FOLDERS = PRINCIPLES | {"core", "loop", "report", "transcript"}

PURE_LIBRARIES = frozenset({"nebulus", "msgspec", "jsonschema_rs", "llguidance"})
PURE_MODULES = """
    __future__ abc ast base64 binascii bisect collections collections.abc copy dataclasses datetime decimal
    difflib enum fnmatch fractions functools graphlib hashlib heapq html html.parser itertools json json.decoder
    keyword math operator posixpath re string struct textwrap types typing unicodedata urllib.parse zlib
"""
PURE_STDLIB = frozenset(PURE_MODULES.split())
PURE_NAMES = frozenset(
    {("pathlib", "PurePath"), ("pathlib", "PurePosixPath"), ("email.utils", "parsedate_tz")}
)
"""Single names that are pure in modules that are not."""

IMPURE_BUILTINS = frozenset({"open", "print", "input", "breakpoint", "exec", "eval", "compile", "__import__"})
CLOCK_METHODS = frozenset({"now", "utcnow", "today"})


def import_complaints(module: Module) -> list[str]:
    return [
        module.at(taken.line, f"imports {taken.module}, which is not pure")
        for taken in module.imports
        if taken.module not in PURE_STDLIB
        and taken.module.partition(".")[0] not in PURE_LIBRARIES
        and (taken.module, taken.name) not in PURE_NAMES
        and not module.is_waived(taken.line)
    ]


def impurity_of(node: ast.AST) -> str:
    """What a node does that a pure floor must not do, "" for nothing."""
    match node:
        case ast.Name(id=name) if name in IMPURE_BUILTINS:
            return name
        case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=name) if name in CLOCK_METHODS:
            return f"datetime.{name}"
        case ast.Attribute(value=ast.Attribute(attr="datetime" | "date"), attr=name) if name in CLOCK_METHODS:
            return f"datetime.{name}"
        case ast.AsyncFunctionDef(name=name):
            return f"async def {name}"
        case ast.Global(names=names):
            return f"global {', '.join(names)}"
        case _:
            return ""


def purity_complaints(module: Module) -> list[str]:
    used = [(node, impurity_of(node)) for node in module.nodes]
    return import_complaints(module) + [
        module.at(node.lineno, f"uses {what} on a pure floor")  # type: ignore[attr-defined]
        for node, what in used
        if what and not module.is_waived(node.lineno)  # type: ignore[attr-defined]
    ]


def test_the_pure_floors_do_nothing_but_compute() -> None:
    pure = [module for module in SOURCE if folder_of(module.name) in PURE_FOLDERS]
    assert {folder_of(module.name) for module in pure} >= {
        "core",
        "loop",
        "memory",
        "calls",
        "guard",
        "recovery",
    }
    hold(purity_complaints, pure)


def test_each_way_into_the_world_is_found() -> None:
    for bad in (
        "import os",
        "import asyncio",
        "import random",
        "import time",
        "import socket",
        "import pathlib",
        "from pathlib import Path",
        "from os import path",
        "import logging",
        "import uuid",
        "import aiohttp",
        "import pydantic",
        "x = open('f').read()",
        "print('x')",
        "read = open",
        "from datetime import datetime\nx = datetime.now()",
        "import datetime\nx = datetime.datetime.utcnow()",
        "import datetime\nx = datetime.date.today()",
        "async def f(): ...",
        "def f():\n    global x\n    x = 1",
    ):
        assert len(purity_complaints(Module("nebulus.core.bad", bad))) == 1, bad


def test_pure_code_passes() -> None:
    for good in (
        "from pathlib import PurePosixPath",
        "import msgspec.json\nfrom msgspec import Struct",
        "from nebulus.core.plan import Plan",
        "from datetime import timedelta",
        "pattern.compile('x')\nself.open()",
        "import time  # house: waiver only the names of the zones are read",
    ):
        assert purity_complaints(Module("nebulus.core.good", good)) == [], good


def test_no_pattern_has_a_possessive_group() -> None:
    """Python before 3.11.5 matches such groups wrongly. Source: python/cpython#106052."""
    held = re.compile(r"r[bf]?\"[^\"\n]*\)(?:\*\+|\+\+|\?\+)")
    found = [module.path for module in SOURCE if held.search(module.text)]
    assert not found
    assert held.search('re.compile(r"(?:ab)?+")')
