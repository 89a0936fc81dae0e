"""The answer that a run is asked for, and how it is written: alone on stdout."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from nebulus.app.results import result_spec
from nebulus.core.errors import ConfigError
from nebulus.core.result import ResultSpec
from nebulus.core.unreadable import UNREADABLE
from nebulus.report.text import format_value, safe, safe_lines

TEXT = "text"


def requested_result(result: str) -> ResultSpec | None:
    """Return what `--result` asks for: "text", the path of a JSON Schema, or "" for nothing.

    Raises:
        ConfigError: the file can't be read, or contains no schema that can be asked for.
    """
    if not result:
        return None
    return result_spec(str) if result == TEXT else schema_result(Path(result))


def schema_result(path: Path) -> ResultSpec:
    """Return the request for JSON of the schema in a file.

    Raises:
        ConfigError: the file can't be read, or contains no schema that can be asked for.
    """
    try:
        schema = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read: {error.strerror}", fix="name a file with a JSON Schema, or write `text`"
        ) from error
    except UNREADABLE as error:
        raise ConfigError(
            f"{path} is not a JSON Schema: {error}", fix='write {"type": "object", "properties": {...}}'
        ) from error
    return result_spec(schema)


def write_answer(value: Any) -> None:
    """Write an answer to stdout: text as it is, anything else as one line of JSON.

    On a terminal, characters that can't be printed are escaped.
    """
    text = value if isinstance(value, str) else format_value(value)
    if sys.stdout.isatty():
        text = "\n".join(safe_lines(text)) if isinstance(value, str) else safe(text)
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()
