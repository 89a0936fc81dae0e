"""BFCL's multi-turn jobs: its ground truths, its simulators, and its schemas.

Source: https://github.com/ShishirPatil/gorilla, the package `bfcl_eval`, version 2026.3.23, Apache 2.0.
"""

import ast
import copy
import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

from bench.harm_parts.jobs import Job, RightCall, Run, effect_of
from nebulus.core.tools import ToolSpec

CATEGORIES = ("base", "miss_func", "miss_param", "long_context")
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None, "bool": "boolean"}


class UnusableJobError(Exception):
    """A job that can't be measured; the message says why."""


def find_package(folder: Path | None) -> Path:
    """Return the package's folder, in `folder` or among the installed packages.

    Raises:
        SystemExit: it is not there.
    """
    if folder is not None:
        sys.path.insert(0, str(folder))
    try:
        package = importlib.import_module("bfcl_eval")
        importlib.import_module("bfcl_eval.eval_checker.multi_turn_eval.func_source_code.math_api")
    except ImportError as error:
        raise SystemExit(
            f"skipped: BFCL's ground truths and simulators are missing ({error}); get them with\n"
            "  pip install --no-deps --target FOLDER bfcl_eval mpmath\n"
            "and name the folder: --bfcl FOLDER or NEBULUS_BFCL=FOLDER"
        ) from error
    return Path(str(package.__file__)).parent


def load_jobs(package: Path, skipped: dict[str, str]) -> Iterator[Job]:
    """Yield the jobs whose right calls all succeed by themselves; the others go to `skipped`, with the reason."""
    docs = _documents(package)
    for category in CATEGORIES:
        questions = _rows(package / "data" / f"BFCL_v4_multi_turn_{category}.json")
        truths = _rows(package / "data" / "possible_answer" / f"BFCL_v4_multi_turn_{category}.json")
        for name, question in questions.items():
            try:
                job = _job(question, truths[name]["ground_truth"], docs, is_long=category == "long_context")
                _rehearse(job)
            except UnusableJobError as error:
                skipped[name] = str(error)
            else:
                yield job


def _rows(path: Path) -> dict[str, Any]:
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {row["id"]: row for row in rows}


def _documents(package: Path) -> dict[str, list[dict[str, Any]]]:
    config = importlib.import_module("bfcl_eval.constants.executable_backend_config")
    folder = package / "data" / "multi_turn_func_doc"
    return {
        name: [json.loads(line) for line in (folder / file).read_text(encoding="utf-8").splitlines()]
        for name, file in config.MULTI_TURN_FUNC_DOC_FILE_MAPPING.items()
    }


def _job(question: dict[str, Any], truth: list[list[str]], docs: dict[str, Any], *, is_long: bool) -> Job:
    classes = question["involved_classes"]
    tools = {doc["name"]: _spec(doc) for name in classes for doc in docs[name]}

    def open_world() -> Run:
        return _world(classes, question["initial_config"], is_long=is_long)

    signatures = _signatures(classes)
    calls, sentence = [], ""
    for turn, made in zip(question["question"], truth, strict=True):
        sentence = "\n".join(message["content"] for message in turn) or sentence
        calls += [_right_call(text, sentence, signatures) for text in made]
    if not calls:
        raise UnusableJobError("it has no right call")
    if unknown := sorted({call.tool for call in calls} - tools.keys()):
        raise UnusableJobError(f"{unknown[0]} has no schema")
    return Job(question["id"], tuple(tools.values()), tuple(calls), open_world)


def _spec(document: dict[str, Any]) -> ToolSpec:
    text = document["description"]
    return ToolSpec(
        name=document["name"],
        description=text.partition("Tool description: ")[2] or text,
        parameters=_schema(document["parameters"]),
        effect=effect_of(document["name"]),
    )


def _schema(shape: Any) -> Any:
    """Return BFCL's schema as a JSON Schema: its names of types are those of Python."""
    if isinstance(shape, list):
        return [_schema(item) for item in shape]
    if not isinstance(shape, dict):
        return shape
    made: dict[str, Any] = {}
    for key, value in shape.items():
        if key == "type" and isinstance(value, str):
            kind = _TYPES.get(value, value)
            if kind:
                made["type"] = kind
        elif key == "properties":
            made[key] = {name: _schema(inner) for name, inner in value.items()}
        elif key not in ("default", "enum", "optional"):
            made[key] = _schema(value)
        else:
            made[key] = value
    return made


def _class(name: str) -> Any:
    config = importlib.import_module("bfcl_eval.constants.executable_backend_config")
    return getattr(importlib.import_module(config.CLASS_FILE_PATH_MAPPING[name]), name)


def _signatures(classes: list[str]) -> dict[str, list[str]]:
    return {
        name: [parameter for parameter in inspect.signature(method).parameters if parameter != "self"]
        for each in classes
        for name, method in inspect.getmembers(_class(each), inspect.isfunction)
        if not name.startswith("_")
    }


def _right_call(text: str, sentence: str, signatures: dict[str, list[str]]) -> RightCall:
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise UnusableJobError(f"not a plain call: {text[:60]}")
        places = signatures.get(node.func.id, [])
        given = {places[index]: ast.literal_eval(value) for index, value in enumerate(node.args)}
        given |= {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
    except (SyntaxError, ValueError, IndexError) as error:
        raise UnusableJobError(f"can't be parsed: {text[:60]}") from error
    return RightCall(node.func.id, json.loads(json.dumps(given)), sentence)


def _world(classes: list[str], config: dict[str, Any], *, is_long: bool) -> Run:
    methods: dict[str, Any] = {}
    for name in classes:
        world = _class(name)()
        if name != "MathAPI":
            world._load_scenario(copy.deepcopy(config.get(name, {})), long_context=is_long)
        methods |= {
            name: method
            for name, method in inspect.getmembers(world, inspect.ismethod)
            if not name.startswith("_")
        }

    def run(tool: str, arguments: dict[str, Any]) -> str:
        result = methods[tool](**copy.deepcopy(arguments))
        return result if isinstance(result, str) else json.dumps(result, default=str)

    return run


def _rehearse(job: Job) -> None:
    """Make every right call once. Raises: UnusableJobError, where the ground truth itself fails."""
    run = job.open_world()
    schemas = {tool.name: tool.parameters for tool in job.tools}
    for call in job.calls:
        if not jsonschema_rs.is_valid(schemas[call.tool], call.arguments):
            raise UnusableJobError(f"{call.tool} does not match its schema")
        try:
            text = run(call.tool, call.arguments)
        except Exception as error:  # house: waiver a foreign simulator may raise anything
            raise UnusableJobError(f"{call.tool} raises {type(error).__name__}: {str(error)[:80]}") from error
        if text.startswith('{"error"'):
            raise UnusableJobError(f"{call.tool} returns {text[:100]}")
