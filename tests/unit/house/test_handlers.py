"""No exception is swallowed: a handler that does nothing says why, and none is bare. No test patches what it tests."""

import ast
import re

from tests.unit.house.source import PROGRAMS, SOURCE, TESTS, Module, hold

REASON = re.compile(r"#(?! *(noqa|pragma|type:))")
"""A comment that speaks to a reader, not to a tool."""


def does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Continue() | ast.Break():
            return True
        case ast.Return(value=None | ast.Constant(value=None)) | ast.Expr(value=ast.Constant()):
            return True
        case _:
            return False


def is_suppress(item: ast.withitem) -> bool:
    match item.context_expr:
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress")):
            return True
        case _:
            return False


def has_comment(module: Module, node: ast.stmt | ast.ExceptHandler) -> bool:
    return any(REASON.search(line) for line in module.lines[node.lineno - 1 : node.end_lineno])


def handler_complaints(module: Module) -> list[str]:
    complaints = []
    for node in module.nodes:
        match node:
            case ast.ExceptHandler(type=None):
                complaints.append(module.at(node.lineno, "a bare except; name what is expected"))
            case ast.ExceptHandler(body=body) if all(map(does_nothing, body)) and not has_comment(
                module, node
            ):
                complaints.append(module.at(node.lineno, "an exception is swallowed without a word why"))
            case ast.With(items=items) if any(map(is_suppress, items)) and not has_comment(module, node):
                complaints.append(module.at(node.lineno, "an exception is suppressed without a word why"))
    return complaints


def names_of(node: ast.expr | None) -> set[str]:
    return {ast.unparse(each) for each in (node.elts if isinstance(node, ast.Tuple) else [node]) if each}


def decoding_complaints(module: Module) -> list[str]:
    """What decodes a text may also find it nested too deeply: `UNREADABLE` names all that there is."""
    return [
        module.at(node.lineno, "expects only some of what decoding raises; expect UNREADABLE")
        for node in module.nodes
        if isinstance(node, ast.ExceptHandler)
        and names_of(node.type)
        & {"msgspec.MsgspecError", "msgspec.DecodeError", "MsgspecError", "DecodeError"}
    ]


def patch_complaints(module: Module) -> list[str]:
    return [
        module.at(taken.line, "patches what it tests; use a fake of nebulus.testing")
        for taken in (module.imports if "mock" in module.text else ())
        if taken.module.startswith("unittest.mock") or (taken.module, taken.name) == ("unittest", "mock")
    ]


def test_whoever_decodes_expects_all_that_decoding_raises() -> None:
    hold(decoding_complaints, SOURCE)


def test_no_handler_swallows_silently() -> None:
    hold(handler_complaints, PROGRAMS)


def test_no_test_patches_what_it_tests() -> None:
    hold(patch_complaints, TESTS)


def test_each_way_to_swallow_is_found() -> None:
    for bad in (
        "try: f()\nexcept: raise",
        "try:\n    f()\nexcept ValueError:\n    pass",
        "try:\n    f()\nexcept ValueError:\n    ...",
        "for x in y:\n    try:\n        f()\n    except ValueError:\n        continue",
        "def g():\n    try:\n        f()\n    except ValueError:\n        return None",
        "def g():\n    try:\n        f()\n    except ValueError:\n        return",
        "try:\n    f()\nexcept ValueError:  # noqa: S110\n    pass",
        "from contextlib import suppress\nwith suppress(OSError):\n    f()",
    ):
        assert len(handler_complaints(Module("m", bad))) == 1, bad


def test_a_handler_that_acts_or_says_why_passes() -> None:
    for good in (
        "try:\n    f()\nexcept ValueError as error:\n    raise ConfigError('x') from error",
        "try:\n    f()\nexcept FileNotFoundError:\n    pass  # gone already, which is what was wanted",
        "def g():\n    try:\n        return f()\n    except ValueError:\n        return Failure()",
        "import contextlib\nwith contextlib.suppress(OSError):  # gone already\n    f()",
    ):
        assert handler_complaints(Module("m", good)) == [], good


def test_an_import_of_mock_is_found() -> None:
    assert patch_complaints(Module("m", "from unittest import mock\n")) != []
    assert patch_complaints(Module("m", "from unittest.mock import patch\n")) != []
