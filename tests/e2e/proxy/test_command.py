"""`nebulus serve` as a person starts it: it says what to set, serves, and stops when it is told to."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from nebulus.testing.server_faces import Reply
from tests.e2e.literal import serving

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from nebulus.cli.main import run; run()", "serve"]
PATIENCE_S = 60


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200", "TERM": "dumb", **more}


def refused(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_it_says_what_to_set_serves_and_ends_well_when_it_is_stopped(tmp_path: Path) -> None:
    with serving(lambda _: Reply(text="It is warm.")) as model:
        command = [*COMMAND, "--port", "0", "-m", model]
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            shown = [process.stdout.readline() for _ in range(4)]
            base = shown[0].rpartition(" ")[2].strip()
            body = {"model": "nebulus", "messages": [{"role": "user", "content": "Is it?"}]}
            request = urllib.request.Request(f"{base}/v1/chat/completions", json.dumps(body).encode())
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                told = json.load(response)
            process.send_signal(signal.SIGTERM)
            code = process.wait(PATIENCE_S)
    assert told["choices"][0]["message"]["content"] == "It is warm."
    assert f"{base}/v1" in "".join(shown)
    assert code == 0


def test_it_does_not_serve_others_without_a_token(tmp_path: Path) -> None:
    open_to_all = refused("--host", "0.0.0.0", "-m", "http://127.0.0.1:9", cwd=tmp_path)
    short = refused("-m", "http://127.0.0.1:9", cwd=tmp_path, NEBULUS_TOKEN="short")
    assert (open_to_all.returncode, short.returncode) == (2, 2)
    assert "token" in open_to_all.stderr
    assert "at least 16" in short.stderr


def test_a_model_that_can_not_be_reached_stops_it_at_the_start(tmp_path: Path) -> None:
    dead = refused("--port", "0", "-m", "http://127.0.0.1:9", cwd=tmp_path)
    assert dead.returncode == 2
    assert "http://127.0.0.1:9" in dead.stderr


def connect(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND[:-1], "connect", *arguments, "--url", "http://127.0.0.1:9"]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_the_settings_of_a_client_are_written_and_undone(tmp_path: Path) -> None:
    file = tmp_path / "opencode.json"
    file.write_text('{"theme": "dark"}')
    shown = connect("opencode", cwd=tmp_path)
    assert file.read_text() == '{"theme": "dark"}'
    assert "baseURL" in shown.stdout
    assert connect("opencode", "--write", cwd=tmp_path).returncode == 0
    assert connect("opencode", "--write", cwd=tmp_path).returncode == 0
    assert "nebulus" in json.loads(file.read_text())["provider"]
    assert connect("opencode", "--undo", cwd=tmp_path).returncode == 0
    assert file.read_text() == '{"theme": "dark"}'
    assert connect("opencode", "--undo", cwd=tmp_path).returncode == 2


def test_a_clients_file_that_was_changed_since_is_not_put_back(tmp_path: Path) -> None:
    file = tmp_path / "opencode.json"
    assert connect("opencode", "--write", cwd=tmp_path).returncode == 0
    file.write_text(file.read_text().replace("Nebulus", "Mine"))
    undone = connect("opencode", "--undo", cwd=tmp_path)
    assert undone.returncode == 2
    assert "Mine" in file.read_text()
