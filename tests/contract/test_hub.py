"""Models from a Hugging Face hub: fetched whole or not at all, resumed, and used without a network afterwards."""

import asyncio
import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from huggingface_hub import constants, scan_cache_dir, try_to_load_from_cache

from nebulus.adapters.backends.hub import Hub, fetch_in_thread
from nebulus.adapters.backends.hub_cache import PARTIAL
from nebulus.adapters.backends.hub_progress import NoProgress, StderrProgress
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.failure import FailureKind
from tests.contract.loopback_hub import COMMIT, LoopbackHub, serving_hub

SMALL = b"GGUF small" * 1000
LARGE = b"GGUF large" * 4_000_000  # some blocks of 10 MB, in which huggingface_hub reads
NAME = "hf:tests/tiny-GGUF:Q4_K_M"


@pytest.fixture
def served() -> Iterator[LoopbackHub]:
    files = {"README.md": b"# tiny", "tiny-Q4_K_M.gguf": SMALL, "tiny-Q8_0.gguf": LARGE}
    with serving_hub(LoopbackHub(files)) as hub:
        yield hub


@pytest.fixture
def hub(served: LoopbackHub, tmp_path: Path) -> Hub:
    return Hub(endpoint=served.url, cache=tmp_path / "cache")


class Stop(Exception):
    pass


class StopsAfter(NoProgress):
    """Interrupts the download as soon as `limit` bytes came."""

    def __init__(self, limit: int = 1) -> None:
        self.arrived, self.limit = 0, limit

    def advance(self, count_bytes: int) -> None:
        self.arrived += count_bytes
        if self.arrived > self.limit:
            raise Stop


class Counts(NoProgress):
    """Counts what is done, and keeps what is said."""

    def __init__(self) -> None:
        self.done = self.begun = 0
        self.said: list[str] = []
        self.has_said = threading.Event()

    def begin(self, what: str, *, total_bytes: int, done_bytes: int) -> None:
        self.begun += 1
        self.done += done_bytes

    def advance(self, count_bytes: int) -> None:
        self.done += count_bytes

    def say(self, text: str) -> None:
        self.said.append(text)
        self.has_said.set()


def test_a_model_is_fetched_once_and_is_kept_where_other_programs_look_for_it(
    served: LoopbackHub, hub: Hub
) -> None:
    path = hub.fetch(NAME)
    assert path.read_bytes() == SMALL
    assert path.resolve().name == hashlib.sha256(SMALL).hexdigest()
    found = try_to_load_from_cache("tests/tiny-GGUF", "tiny-Q4_K_M.gguf", cache_dir=hub.cache.folder)
    assert found == str(path)
    info = scan_cache_dir(hub.cache.folder)
    assert not info.warnings
    assert [repo.repo_id for repo in info.repos] == ["tests/tiny-GGUF"]
    before = len(served.requests)
    assert hub.fetch(NAME) == path
    assert len(served.requests) == before


def test_an_interrupted_download_is_resumed_where_it_ended(served: LoopbackHub, hub: Hub) -> None:
    with pytest.raises(Stop):
        hub.fetch("hf:tests/tiny-GGUF:Q8_0", StopsAfter(11_000_000))
    (partial,) = (hub.cache.folder / "models--tests--tiny-GGUF" / "blobs").glob(f"*{PARTIAL}")
    kept = partial.stat().st_size
    assert 0 < kept < len(LARGE)
    assert hub.cache.find("hf:tests/tiny-GGUF:Q8_0") is None
    said = io.StringIO()
    assert hub.fetch("hf:tests/tiny-GGUF:Q8_0", StderrProgress(said)).read_bytes() == LARGE
    assert served.downloads() == ["", f"bytes={kept}-"]
    assert "are here already" in said.getvalue()


def test_a_connection_that_breaks_is_taken_up_again_within_one_download(
    served: LoopbackHub, hub: Hub
) -> None:
    served.cuts = [11_000_000]
    assert hub.fetch("hf:tests/tiny-GGUF:Q8_0").read_bytes() == LARGE
    assert len(served.downloads()) == 2
    assert served.downloads()[1].startswith("bytes=")


def test_a_hub_that_ignores_the_range_is_read_from_the_start(served: LoopbackHub, hub: Hub) -> None:
    with pytest.raises(Stop):
        hub.fetch("hf:tests/tiny-GGUF:Q8_0", StopsAfter(11_000_000))
    served.ignores_range = True
    counted = Counts()
    assert hub.fetch("hf:tests/tiny-GGUF:Q8_0", counted).read_bytes() == LARGE
    assert counted.done == len(LARGE)


def test_a_file_with_another_checksum_is_removed_and_never_used(served: LoopbackHub, hub: Hub) -> None:
    served.announces = {"tiny-Q4_K_M.gguf": "0" * 64}
    with pytest.raises(BackendError, match="came damaged and was removed") as caught:
        hub.fetch(NAME)
    assert "0" * 64 in caught.value.failure.value
    assert hub.cache.find(NAME) is None
    assert not list(hub.cache.folder.rglob(f"*{PARTIAL}"))
    served.announces = {}
    assert hub.fetch(NAME).read_bytes() == SMALL


def test_all_parts_of_a_model_are_fetched_and_the_first_is_named(served: LoopbackHub, hub: Hub) -> None:
    served.files |= {f"big/b-F16-0000{n}-of-00002.gguf": b"GGUF%d" % n for n in (1, 2)}
    path = hub.fetch("hf:tests/tiny-GGUF:f16")
    assert path.name == "b-F16-00001-of-00002.gguf"
    assert path.with_name("b-F16-00002-of-00002.gguf").read_bytes() == b"GGUF2"


def test_a_model_with_a_part_missing_in_the_cache_is_not_used(served: LoopbackHub, hub: Hub) -> None:
    served.files |= {f"b-F16-0000{n}-of-00002.gguf": b"GGUF%d" % n for n in (1, 2)}
    path = hub.fetch("hf:tests/tiny-GGUF:F16")
    path.with_name("b-F16-00002-of-00002.gguf").unlink()
    assert hub.cache.find("hf:tests/tiny-GGUF:F16") is None
    assert hub.fetch("hf:tests/tiny-GGUF:F16") == path


def test_a_quantisation_that_is_not_there_is_answered_with_those_that_are(hub: Hub) -> None:
    with pytest.raises(ConfigError, match=r"no Q5_K_M; it has Q4_K_M \(10.0 kB\), Q8_0 \(40.0 MB\)"):
        hub.fetch("hf:tests/tiny-GGUF:Q5_K_M")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        ("gated", ConfigError, "accept them at .*tests/tiny-GGUF, then set HF_TOKEN"),
        ("missing", ConfigError, "has no model tests/tiny-GGUF, or it is private; correct the name"),
        ("unauthorized", ConfigError, "or it is private; .* HF_TOKEN"),
        ("down", BackendError, "answered 503"),
    ],
)
def test_what_a_hub_refuses_is_explained(
    served: LoopbackHub, hub: Hub, error: str, kind: type[Exception], says: str
) -> None:
    served.error = error
    with pytest.raises(kind, match=says):
        hub.fetch(NAME)


def test_without_a_network_the_cache_is_used_and_anything_else_is_explained(
    served: LoopbackHub, hub: Hub
) -> None:
    path = hub.fetch(NAME)
    nowhere = Hub(endpoint="http://127.0.0.1:9", cache=hub.cache.folder)
    assert nowhere.fetch(NAME) == path
    assert nowhere.fetch("hf:tests/tiny-GGUF") == path
    with pytest.raises(BackendError, match="can't be reached") as caught:
        nowhere.fetch("hf:tests/tiny-GGUF:Q8_0")
    assert caught.value.failure.kind is FailureKind.TRANSIENT


def test_offline_nothing_is_asked(served: LoopbackHub, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    path = hub.fetch(NAME)
    before = len(served.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.fetch(NAME) == path
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE is set"):
        hub.fetch("hf:tests/tiny-GGUF:Q8_0")
    assert len(served.requests) == before


def test_a_name_without_a_quantisation_never_takes_another_one_because_it_is_in_the_cache(hub: Hub) -> None:
    hub.fetch("hf:tests/tiny-GGUF:Q8_0")
    assert hub.fetch("hf:tests/tiny-GGUF").name == "tiny-Q4_K_M.gguf"


def test_the_only_model_of_a_repository_is_found_without_its_quantisation_and_without_the_hub(
    served: LoopbackHub, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.files = {"tiny-F16.gguf": SMALL}
    path = hub.fetch("hf:tests/tiny-GGUF:F16")
    asked = len(served.requests)
    assert hub.cache.find("hf:tests/tiny-GGUF") == path
    assert hub.fetch("hf:tests/tiny-GGUF") == path
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.fetch("hf:tests/tiny-GGUF") == path
    assert len(served.requests) == asked
    assert not scan_cache_dir(hub.cache.folder).warnings


def test_a_name_without_a_quantisation_is_refused_where_the_hub_has_several_and_none_is_the_default(
    served: LoopbackHub, hub: Hub
) -> None:
    served.files = {"tiny-Q8_0.gguf": SMALL, "tiny-Q5_0.gguf": SMALL}
    hub.fetch("hf:tests/tiny-GGUF:Q8_0")
    with pytest.raises(ConfigError, match="no Q4_K_M, which a name without"):
        hub.fetch("hf:tests/tiny-GGUF")


def test_a_repository_that_gained_a_second_model_is_no_longer_taken_as_having_one(
    served: LoopbackHub, hub: Hub
) -> None:
    served.files = {"tiny-Q8_0.gguf": SMALL}
    hub.fetch("hf:tests/tiny-GGUF")
    served.files["tiny-Q5_0.gguf"] = SMALL
    hub.fetch("hf:tests/tiny-GGUF:Q5_0")
    assert hub.cache.find("hf:tests/tiny-GGUF") is None


def test_offline_a_look_for_updates_does_not_deny_that_the_model_is_in_the_cache(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fetch(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"is in the cache .*HF_HUB_OFFLINE is set; unset it") as caught:
        hub.fetch(NAME, updates=True)
    assert "not in the cache" not in str(caught.value)


def test_pulling_again_fetches_what_is_new_and_the_new_is_used(served: LoopbackHub, hub: Hub) -> None:
    old = hub.fetch(NAME)
    served.files["tiny-Q4_K_M.gguf"], served.commit = SMALL + b"new", "b" * 40
    assert hub.fetch(NAME) == old
    assert hub.fetch(NAME, updates=True).read_bytes() == SMALL + b"new"
    assert hub.fetch(NAME).read_bytes() == SMALL + b"new"


def test_something_else_behind_the_address_is_explained(served: LoopbackHub, hub: Hub) -> None:
    served.info = lambda: ["not", "a", "hub"]  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(BackendError, match="did not answer as a Hugging Face hub does"):
        hub.fetch(NAME)


def test_a_file_of_another_size_than_announced_is_not_blamed_on_the_disk(
    served: LoopbackHub, hub: Hub
) -> None:
    served.sizes = {"tiny-Q4_K_M.gguf": len(SMALL) + 1}
    with pytest.raises(BackendError, match="came with 10000 bytes where 10001 were announced"):
        hub.fetch(NAME)
    assert not list(hub.cache.folder.rglob(f"*{PARTIAL}"))


def test_a_file_too_large_for_the_hub_to_serve_whole_is_explained(served: LoopbackHub, hub: Hub) -> None:
    served.sizes = {"tiny-Q4_K_M.gguf": 51_000_000_000}
    with pytest.raises(ConfigError, match=r"51\.0 GB.* more than 50\.0 GB .* name a model in several files"):
        hub.fetch(NAME)
    assert served.downloads() == []


async def test_waiting_for_another_download_of_the_same_file_is_said_and_can_be_cancelled(
    hub: Hub,
) -> None:
    with pytest.raises(Stop):
        hub.fetch("hf:tests/tiny-GGUF:Q8_0", StopsAfter(11_000_000))
    (partial,) = hub.cache.folder.rglob(f"*{PARTIAL}")
    counts = Counts()
    with FileLock(partial.with_suffix(".lock")):
        fetching = asyncio.create_task(fetch_in_thread(hub, "hf:tests/tiny-GGUF:Q8_0", counts))
        assert await asyncio.to_thread(counts.has_said.wait, 30)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        await asyncio.get_running_loop().shutdown_default_executor()
    assert "another process is fetching tiny-Q8_0.gguf" in counts.said[0]


def test_what_is_in_the_cache_already_is_linked_and_not_counted_as_missing(hub: Hub) -> None:
    hub.fetch(NAME).unlink()
    counts = Counts()
    assert hub.fetch(NAME, counts).read_bytes() == SMALL
    assert counts.begun == 0


def test_a_file_without_a_checksum_is_never_resumed_at_another_commit(served: LoopbackHub, hub: Hub) -> None:
    served.has_checksums = False
    with pytest.raises(Stop):
        hub.fetch("hf:tests/tiny-GGUF:Q8_0", StopsAfter(11_000_000))
    served.commit, served.files["tiny-Q8_0.gguf"] = "b" * 40, LARGE[::-1]
    assert hub.fetch("hf:tests/tiny-GGUF:Q8_0").read_bytes() == LARGE[::-1]


def test_whether_a_checksum_was_verified_is_said(served: LoopbackHub, hub: Hub) -> None:
    counts = Counts()
    hub.fetch(NAME, counts)
    served.has_checksums = False
    hub.fetch("hf:tests/tiny-GGUF:Q8_0", counts)
    assert counts.said == [
        "tiny-Q4_K_M.gguf: SHA-256 verified",
        "tiny-Q8_0.gguf: not verified, the hub announces no SHA-256 for it",
    ]


async def test_cancelling_ends_the_download_and_keeps_what_came(served: LoopbackHub, hub: Hub) -> None:
    came = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Watching(NoProgress):
        def advance(self, count_bytes: int) -> None:
            loop.call_soon_threadsafe(came.set)

    served.files["tiny-Q8_0.gguf"] = LARGE * 4
    fetching = asyncio.create_task(fetch_in_thread(hub, "hf:tests/tiny-GGUF:Q8_0", Watching()))
    await came.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await loop.shutdown_default_executor()
    assert hub.cache.find("hf:tests/tiny-GGUF:Q8_0") is None
    assert list(hub.cache.folder.rglob(f"*{PARTIAL}"))


@pytest.mark.parametrize(
    "path", ["../../../out-Q5_0.gguf", "/out-Q5_0.gguf", "a/../../out-Q5_0.gguf", "..\\out-Q5_0.gguf"]
)
def test_a_hub_can_name_no_file_outside_of_the_cache(served: LoopbackHub, hub: Hub, path: str) -> None:
    served.files[path] = SMALL
    with pytest.raises(ConfigError, match="no Q5_0"):
        hub.fetch("hf:tests/tiny-GGUF:Q5_0")


@pytest.mark.parametrize(("commit", "checksum"), [("../../out", ""), (COMMIT, "../../out")])
def test_a_hub_can_name_no_folder_outside_of_the_cache(
    served: LoopbackHub, hub: Hub, tmp_path: Path, commit: str, checksum: str
) -> None:
    served.commit, served.announces = commit, {"tiny-Q4_K_M.gguf": checksum}
    with pytest.raises((BackendError, ConfigError), match=r"gave no commit|no Q4_K_M"):
        hub.fetch(NAME)
    assert not list(tmp_path.rglob("*.gguf"))


def test_the_token_is_sent_to_the_hub_and_not_to_the_host_that_it_redirects_to(
    served: LoopbackHub, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving_hub(LoopbackHub(served.files)) as storage:
        served.storage = storage.url
        assert hub.fetch(NAME).read_bytes() == SMALL
    assert set(served.tokens) == {"Bearer hf_secret"}
    assert set(storage.tokens) == {""}


def test_a_name_that_no_repository_can_have_is_explained(hub: Hub) -> None:
    with pytest.raises(ConfigError, match="can't be the name of a repository"):
        hub.fetch("hf:a--b/c:Q4_0")
