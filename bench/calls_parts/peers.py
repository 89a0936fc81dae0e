"""The readers of peers, each behind one function, where they are installed.

json-repair and toolrails are on PyPI for Python 3.11; forge-guardrails needs 3.12. toolrails repairs the
arguments of one call by its schema, so it is shown the call's text as these; whatever a peer returns is
checked by the tool's schema, which forge and json-repair leave to their user.
"""

import importlib
from typing import Any

from bench.calls_parts.damage import TOOLS, Call, Reader, by_loads, read_by_nebulus, valid_calls


def readers() -> dict[str, Reader]:
    """Return the reader under test and every peer that is installed."""
    found: dict[str, Reader] = {"nebulus": read_by_nebulus}
    for make in (_json_repair, _toolrails, _forge):
        try:
            found.update(make())
        except ImportError:  # the table shows who is missing: it has no column
            continue
    return found


def _json_repair() -> dict[str, Reader]:
    loads = importlib.import_module("json_repair").loads
    return {
        "json-repair": by_loads(loads),
        "json-repair, strict": by_loads(lambda text: loads(text, strict=True)),
    }


def _toolrails() -> dict[str, Reader]:
    schemas = importlib.import_module("toolrails.schemas")
    parameters = {tool.name: tool.parameters for tool in TOOLS}

    def reader(text: str) -> list[Call]:
        call = schemas.parse_arguments(text)
        name = schemas.nearest_name(str(call.get("name")), list(parameters)) if call else None
        if not name or not call or not isinstance(call.get("arguments"), dict):
            return []
        return valid_calls([(name, schemas.coerce(call["arguments"], parameters[name]))])

    return {"toolrails": reader}


def _forge() -> dict[str, Reader]:
    validator = importlib.import_module("forge.guardrails.response_validator").ResponseValidator
    text_response = importlib.import_module("forge.core.workflow").TextResponse
    checks = validator([tool.name for tool in TOOLS])

    def reader(text: str) -> list[Call]:
        result = checks.validate(text_response(content=text))
        calls: list[tuple[str, Any]] = [(call.tool, call.args) for call in result.tool_calls or ()]
        return valid_calls(calls)

    return {"forge": reader}
