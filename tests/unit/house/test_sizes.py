"""Modules, functions and signatures stay small enough to read, and modules are named for what they own."""

import ast

from tests.unit.house.source import PROGRAMS, TESTS, WAIVER, Module, hold

MODULE_LINES = 400
FUNCTION_LINES = 60
POSITIONAL = 3
NO_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "misc"})


def module_complaints(module: Module) -> list[str]:
    complaints = []
    stems = set(module.name.split("."))
    if vague := stems & NO_NAMES:
        complaints.append(module.at(1, f"{vague.pop()!r} names nothing; name the module for what it owns"))
    is_waived = any(line.startswith(WAIVER) and line != WAIVER.strip() for line in module.lines)
    if len(module.lines) > MODULE_LINES and not is_waived:
        complaints.append(module.at(1, f"{len(module.lines)} lines; at most {MODULE_LINES}"))
    return complaints


def function_complaints(module: Module) -> list[str]:
    complaints = []
    for node in module.nodes:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or module.is_waived(node.lineno):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES:
            complaints.append(
                module.at(node.lineno, f"{node.name} has {lines} lines; at most {FUNCTION_LINES}")
            )
        positional = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        if positional[:1] in (["self"], ["cls"]):
            del positional[0]
        if len(positional) > POSITIONAL:
            complaint = f"{node.name} takes {len(positional)} positional parameters; at most {POSITIONAL}"
            complaints.append(module.at(node.lineno, complaint))
    return complaints


def test_every_module_is_small_and_named_for_what_it_owns() -> None:
    hold(module_complaints, [*PROGRAMS, *TESTS])


def test_every_function_is_small_and_takes_few_positional_parameters() -> None:
    hold(function_complaints, PROGRAMS)


def test_a_long_module_is_found_unless_a_line_says_why() -> None:
    long = "x = 1\n" * (MODULE_LINES + 1)
    assert module_complaints(Module("nebulus.core.plan", long)) == ["example.py:1: 401 lines; at most 400"]
    assert module_complaints(Module("nebulus.core.plan", "# house: waiver\n" + long)) != []
    assert module_complaints(Module("nebulus.core.plan", "# house: waiver one table\n" + long)) == []


def test_a_vague_name_is_found() -> None:
    assert module_complaints(Module("nebulus.memory.utils", "")) != []
    assert module_complaints(Module("nebulus.common.plan", "")) != []
    assert module_complaints(Module("nebulus.memory.window", "")) == []


def test_a_long_function_is_found_unless_its_line_says_why() -> None:
    body = "    x = 1\n" * FUNCTION_LINES
    assert len(function_complaints(Module("m", f"def f():\n{body}"))) == 1
    assert function_complaints(Module("m", f"def f():  # house: waiver one table\n{body}")) == []


def test_a_fourth_positional_parameter_is_found() -> None:
    assert len(function_complaints(Module("m", "def f(a, b, c, d): ...\n"))) == 1
    assert len(function_complaints(Module("m", "class C:\n    def f(self, a, b, /, c, d): ...\n"))) == 1
    assert function_complaints(Module("m", "class C:\n    def f(self, a, b, c, *, d, e): ...\n")) == []
