"""Real errors for `bench/recovery.py classes`: raised by the libraries themselves, labelled by hand.

    PYTHON_WITH_THE_CLIENTS -m bench.recovery_parts.gather > bench/recovery_parts/errors.jsonl

Each line holds what the exception says about itself and the class that a person gives it. The labels were
given by reading what was done to cause the error, not by what is recognised.
"""

# ruff: noqa: PLW0108, PTH101, PTH106 - a table of errors reads best where all rows are alike
# It speaks to libraries that are installed in another environment.
# mypy: ignore-errors

import asyncio
import http.client
import importlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from nebulus.recovery.classify import evidence_of

CLOSED = "http://127.0.0.1:9"


def http_statuses() -> Iterator[tuple[str, Exception]]:
    """Errors of four HTTP clients for the same statuses."""
    import anthropic
    import httpx
    import openai
    import requests

    labels = {
        400: "invalid_arguments", 401: "permission", 403: "permission", 404: "not_found", 409: "conflict",
        422: "invalid_arguments", 429: "throttled", 500: "transient", 502: "transient", 503: "transient",
        504: "timeout",
    }  # fmt: skip
    for status, label in labels.items():
        request = httpx.Request("POST", "http://api.example/v1/x")
        try:
            httpx.Response(status, request=request).raise_for_status()
        except httpx.HTTPStatusError as error:
            yield label, error
        answer = requests.Response()
        answer.status_code, answer.reason, answer.url = (
            status,
            http.client.responses[status],
            "http://api.example/x",
        )
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            yield label, error
        try:
            raise urllib.error.HTTPError("http://x", status, http.client.responses[status], None, None)  # type: ignore[arg-type]
        except OSError as error:
            yield label, error
        for client in (openai.OpenAI(api_key="k"), anthropic.Anthropic(api_key="k")):
            web = importlib.import_module(type(client._client).__mro__[-2].__module__.partition(".")[0])
            made = web.Response(
                status, request=web.Request("POST", "http://x/v1"), json={"error": {"message": "no"}}
            )
            yield label, client._make_status_error_from_response(made)


def raised(work: Callable[[], Any]) -> Exception | None:
    """Return what `work` raises."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - the error is what is wanted
        return error
    return None


def causes() -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is done, and the class that a person gives to what comes of it."""
    import aiohttp
    import anthropic
    import httpx
    import jsonschema
    import msgspec as ms
    import openai
    import psycopg
    import redis
    import requests

    folder = Path(tempfile.mkdtemp())
    (folder / "file").write_text("x")

    async def fetch(url: str) -> None:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            await answer.json()

    yield "transient", lambda: httpx.get(CLOSED)
    yield "transient", lambda: requests.get(CLOSED, timeout=1)
    yield "transient", lambda: urllib.request.urlopen(CLOSED)
    yield "transient", lambda: asyncio.run(fetch(CLOSED))
    yield "transient", lambda: openai.OpenAI(api_key="k", base_url=CLOSED, max_retries=0).models.list()
    yield "transient", lambda: anthropic.Anthropic(api_key="k", base_url=CLOSED, max_retries=0).models.list()
    yield "transient", lambda: redis.Redis(port=9).get("a")
    yield "transient", lambda: psycopg.connect("host=127.0.0.1 port=9 connect_timeout=1")
    yield "transient", lambda: socket.create_connection(("127.0.0.1", 9))
    yield "transient", lambda: socket.getaddrinfo("no.such.host.invalid", 80)
    yield "invalid_arguments", lambda: httpx.get("nohost")
    yield "invalid_arguments", lambda: requests.get("nohost", timeout=1)
    yield "invalid_arguments", lambda: requests.get("http://", timeout=1)
    yield "timeout", lambda: asyncio.run(asyncio.wait_for(asyncio.sleep(1), 0.01))
    yield "timeout", lambda: subprocess.run(["sleep", "1"], timeout=0.05, check=False)
    yield "not_found", lambda: subprocess.run(["no-such-program"], check=False)
    yield "not_found", lambda: (folder / "gone").read_text()
    yield "conflict", lambda: (folder).mkdir()
    yield "conflict", lambda: (folder / "file").mkdir()
    yield "invalid_arguments", lambda: folder.read_text()
    yield "invalid_arguments", lambda: (folder / "file" / "x").read_text()
    yield "conflict", lambda: os.rmdir(folder)
    yield "permission", lambda: os.chmod("/proc/1/status", 0o777)
    yield "invalid_arguments", lambda: (folder / ("n" * 300)).write_text("x")
    yield "invalid_arguments", lambda: int("four")
    yield "not_found", lambda: {}["a"]
    yield "malformed_answer", lambda: json.loads("<html>")
    yield "malformed_answer", lambda: json.loads('{"a": 1')
    yield "malformed_answer", lambda: ms.json.decode(b"{'a': 1}")
    yield "malformed_answer", lambda: b"\xff".decode()
    yield (
        "invalid_arguments",
        lambda: jsonschema.validate({"a": "x"}, {"properties": {"a": {"type": "integer"}}}),
    )
    yield "invalid_arguments", lambda: ms.convert({"a": "x"}, dict[str, int])
    yield "invalid_arguments", lambda: re.compile("(")


def databases() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Errors of a database that is here."""
    import sqlalchemy
    from sqlalchemy.exc import NoResultFound

    folder = Path(tempfile.mkdtemp())
    db = sqlite3.connect(folder / "a.db", timeout=0)
    db.execute("create table t (a integer unique not null)")
    db.execute("insert into t values (1)")
    db.commit()
    engine = sqlalchemy.create_engine(f"sqlite:///{folder}/b.db")

    def locked() -> None:
        other = sqlite3.connect(folder / "a.db", timeout=0)
        other.execute("begin exclusive")
        try:
            db.execute("insert into t values (2)")
        finally:
            other.close()

    yield "conflict", lambda: db.execute("insert into t values (1)")
    yield "invalid_arguments", lambda: db.execute("insert into t values (null)")
    yield "not_found", lambda: db.execute("select * from nowhere")
    yield "invalid_arguments", lambda: db.execute("selec 1")
    yield "conflict", locked
    yield "not_found", lambda: engine.connect().execute(sqlalchemy.text("select * from nowhere"))
    yield "not_found", lambda: (_ for _ in ()).throw(NoResultFound("No row was found when one was required"))


def vendors() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Errors of databases and clouds that are made, since none of these is here to be asked."""
    import botocore.exceptions as boto
    import psycopg
    import redis

    def aws(code: str) -> Any:
        raise boto.ClientError({"Error": {"Code": code, "Message": "no"}}, "Do")

    for label, code in (
        ("throttled", "ThrottlingException"), ("permission", "AccessDenied"), ("not_found", "NoSuchKey"),
        ("conflict", "ConditionalCheckFailedException"), ("invalid_arguments", "ValidationException"),
        ("transient", "ServiceUnavailable"), ("throttled", "SlowDown"), ("permission", "ExpiredToken"),
        ("exhausted_budget", "LimitExceededException"), ("not_found", "ResourceNotFoundException"),
    ):  # fmt: skip
        yield label, lambda code=code: aws(code)
    yield "permission", lambda: (_ for _ in ()).throw(boto.NoCredentialsError())
    yield "timeout", lambda: (_ for _ in ()).throw(boto.ReadTimeoutError(endpoint_url="http://x"))
    yield (
        "invalid_arguments",
        lambda: (_ for _ in ()).throw(boto.ParamValidationError(report="Missing: Bucket")),
    )
    for label, kind in (
        ("conflict", psycopg.errors.UniqueViolation), ("conflict", psycopg.errors.SerializationFailure),
        ("conflict", psycopg.errors.DeadlockDetected), ("not_found", psycopg.errors.UndefinedTable),
        ("invalid_arguments", psycopg.errors.NotNullViolation), ("invalid_arguments", psycopg.errors.SyntaxError),
        ("permission", psycopg.errors.InsufficientPrivilege), ("timeout", psycopg.errors.QueryCanceled),
        ("throttled", psycopg.errors.TooManyConnections), ("transient", psycopg.errors.AdminShutdown),
        ("exhausted_budget", psycopg.errors.DiskFull), ("permission", psycopg.errors.InvalidPassword),
    ):  # fmt: skip
        yield label, lambda kind=kind: (_ for _ in ()).throw(kind(kind.__doc__ or kind.__name__))
    yield (
        "permission",
        lambda: (_ for _ in ()).throw(redis.exceptions.AuthenticationError("WRONGPASS invalid pair")),
    )
    yield "transient", lambda: (_ for _ in ()).throw(redis.exceptions.BusyLoadingError("loading the dataset"))
    yield "conflict", lambda: (_ for _ in ()).throw(redis.exceptions.WatchError("Watched variable changed."))


def main() -> None:
    """Raise everything once and write it down."""
    found = [
        *http_statuses(),
        *((label, error) for label, work in (*causes(), *databases(), *vendors()) if (error := raised(work))),
    ]
    for label, error in found:
        line = {
            "label": label,
            "from": f"{type(error).__module__}.{type(error).__name__}",
            "message": str(error),
        }
        sys.stdout.write(json.dumps(line | {"evidence": msgspec.to_builtins(evidence_of(error))}) + "\n")


if __name__ == "__main__":
    main()
