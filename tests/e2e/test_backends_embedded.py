"""A real llama.cpp server of our own: it starts, it is contained, it stops, and it never outlives us."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from nebulus.adapters.backends.embedded import EmbeddedLlamaCpp
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.core.answers import FinishReason, Message, ModelRequest, OneCall, Shape
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.failure import FailureKind
from tests.contract import backend_cases
from tests.contract.backend_cases import TOOLS, missing

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(missing("real")), reason=missing("real") or "it can run"),
]
ASK = ModelRequest(messages=(Message("user", "Please read the file notes.txt."),), tools=TOOLS, max_tokens=40)
CALL = replace(ASK, form=OneCall(), max_tokens=120)


def settings(**changes: object) -> BackendSettings:
    return msgspec.structs.replace(BackendSettings(kind="embedded", path=str(backend_cases.NANO)), **changes)


@pytest.fixture
async def backend() -> AsyncIterator[EmbeddedLlamaCpp]:
    opened = EmbeddedLlamaCpp(settings())
    yield opened
    await opened.close()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def is_gone(pid: int) -> bool:
    for _ in range(500):
        if not is_running(pid):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_every_constrained_call_of_a_model_at_high_temperature_is_valid(
    backend: EmbeddedLlamaCpp,
) -> None:
    allowed = {tool.name for tool in TOOLS}
    for seed in range(10):
        answer = await backend.answer(replace(CALL, temperature=2.0, seed=seed))
        if answer.finish is not FinishReason.LENGTH:
            (call,) = answer.calls
            assert call.name in allowed
            msgspec.json.decode(call.arguments, type=dict)


async def test_the_kept_front_of_a_prompt_is_not_evaluated_again(backend: EmbeddedLlamaCpp) -> None:
    await backend.answer(ASK)
    longer = replace(ASK, messages=(*ASK.messages, Message("user", "And then?")))
    again = (await backend.answer(longer)).usage
    assert again.prompt_tokens / 2 < again.cached_tokens < again.prompt_tokens


async def test_a_server_that_dies_fails_one_request_and_is_started_anew(backend: EmbeddedLlamaCpp) -> None:
    await backend.describe()
    first = backend.pid
    endless = asyncio.create_task(backend.answer(replace(ASK, max_tokens=8000, temperature=2.0)))
    await asyncio.sleep(0.05)
    os.kill(first, signal.SIGKILL)
    try:
        await endless
    except BackendError as error:
        assert error.failure.kind is FailureKind.TRANSIENT
    assert await is_gone(first)
    async with asyncio.timeout(20):
        while backend.pid == first:  # the kernel may need a moment to say that a killed process has ended
            with contextlib.suppress(BackendError):
                await backend.answer(CALL)
    assert (await backend.answer(CALL)).usage.completion_tokens


async def test_closing_ends_the_process_and_a_later_use_starts_another(backend: EmbeddedLlamaCpp) -> None:
    await backend.describe()
    first = backend.pid
    await backend.close()
    assert not is_running(first)
    await backend.describe()
    assert is_running(backend.pid)


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.3])
async def test_a_cancelled_start_leaves_no_process(after_s: float) -> None:
    before = set(children())
    backend = EmbeddedLlamaCpp(settings())
    starting = asyncio.create_task(backend.describe())
    await asyncio.sleep(after_s)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await backend.close()
    assert set(children()) <= before


def children() -> list[str]:
    found = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "llama_child"], capture_output=True, check=False
    )
    return found.stdout.decode().split()


def test_it_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        "import asyncio, sys\n"
        "from nebulus.adapters.backends.embedded import EmbeddedLlamaCpp\n"
        "from nebulus.adapters.backends.settings import BackendSettings\n"
        "async def main():\n"
        "    backend = EmbeddedLlamaCpp(BackendSettings(kind='embedded', path=sys.argv[1]))\n"
        "    await backend.describe()\n"
        "    print(backend.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    source = Path(backend_cases.nebulus.__file__).parents[1]
    parent = subprocess.Popen(
        [sys.executable, str(program), str(backend_cases.NANO)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert asyncio.run(is_gone(child))


LONG = Shape({"type": "array", "items": {"type": "string", "minLength": 60}, "minItems": 400})


@pytest.mark.parametrize(
    "asked",
    [
        replace(ASK, max_tokens=7000),
        replace(ASK, max_tokens=7000, form=LONG),
        replace(ASK, reasoning_tokens=7000),
    ],
    ids=["words", "a form", "a thought"],
)
async def test_a_cancelled_request_frees_its_slot(backend: EmbeddedLlamaCpp, asked: ModelRequest) -> None:
    await backend.answer(CALL)
    watcher = HttpClient(backend.url, timeout_s=5, connect_timeout_s=5)
    endless = asyncio.create_task(backend.answer(replace(asked, temperature=2.0, seed=3)))
    await asyncio.sleep(0.1)
    endless.cancel()
    await asyncio.gather(endless, return_exceptions=True)
    async with asyncio.timeout(5):
        while any(slot["is_processing"] for slot in msgspec.json.decode(await watcher.get("/slots"))):
            await asyncio.sleep(0.01)
    await watcher.close()
    assert (await backend.answer(CALL)).usage.completion_tokens


async def test_a_window_is_that_of_one_slot() -> None:
    backend = EmbeddedLlamaCpp(settings(window_tokens=1024, slots=2))
    assert (await backend.describe()).window_tokens == 1024
    answers = await asyncio.gather(*(backend.answer(replace(CALL, seed=seed)) for seed in range(4)))
    assert len(answers) == 4
    await backend.close()


@pytest.mark.parametrize("keep", [0.5, 0.999])
async def test_a_cut_model_file_is_refused_with_its_path(tmp_path: Path, keep: float) -> None:
    whole = backend_cases.NANO.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: int(len(whole) * keep)])
    backend = EmbeddedLlamaCpp(settings(path=str(cut)))
    with pytest.raises(ConfigError, match=r"cut\.gguf"):
        await backend.describe()
    await backend.close()


async def test_a_module_in_the_folder_we_stand_in_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xllamacpp.py").write_text("import pathlib; pathlib.Path(__file__).with_name('ran').touch()")
    monkeypatch.chdir(tmp_path)
    backend = EmbeddedLlamaCpp(settings())
    await backend.describe()
    await backend.close()
    assert not (tmp_path / "ran").exists()
