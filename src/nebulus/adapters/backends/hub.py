"""Models fetched from a Hugging Face hub into the cache that all programs of this user share.

Invariants: a model that is in the cache is used without any network; a file gets its name in the cache only after its
SHA-256 was that of the hub's metadata; what an interrupted download has fetched is kept, and the next one goes on.

Files are fetched here, not by `hf_hub_download`, which deletes what it has when it is interrupted. What is fetched
is put where it would be, so other programs find it. Source: "Understand caching" in the documentation of
huggingface_hub; `_download_to_tmp_and_move` of its version 2.4.
"""

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from filelock import FileLock, Timeout
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]
from msgspec import Struct
from tqdm import tqdm

from nebulus.adapters.backends.faults import excerpt, failure
from nebulus.adapters.backends.hub_cache import HubCache, size_of
from nebulus.adapters.backends.hub_files import (
    HubFile,
    HubModel,
    HubName,
    choose,
    is_safe,
    models_among,
    read_name,
    size_text,
)
from nebulus.adapters.backends.hub_progress import FetchProgress, NoProgress
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.failure import FailureKind
from nebulus.core.http import kind_of_status

_WAIT_S = 0.5
"""How often a download that waits for another one looks whether it was stopped."""
_BLOCK_BYTES = 1 << 20


class FetchStopped(Exception):  # noqa: N818
    """Whoever waited for a download does not wait any more; what was fetched is kept."""


class Found(Struct, frozen=True):
    """A model as the hub has it, at one commit."""

    name: HubName
    commit: str
    model: HubModel
    is_only: bool
    """Whether its repository has no other model, so that a name without a quantisation means it."""


class Hub:
    """A hub, and the cache of this user. Without arguments, those that HF_ENDPOINT and HF_HUB_CACHE name."""

    def __init__(self, *, endpoint: str = "", cache: Path | None = None) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self.cache = HubCache(cache or Path(constants.HF_HUB_CACHE))

    def find(self, text: str) -> Found:
        """Ask the hub which files `text` names.

        Raises:
            ConfigError: there is no such repository or file, or it may not be read.
            BackendError: the hub can't be reached, or answers with an error.
        """
        name = read_name(text)
        if constants.is_offline_mode():
            where = "in" if self.cache.find(text) else "not in"
            raise ConfigError(
                f"{name} is {where} the cache {self.cache.folder}, and the hub is not asked for it while "
                "HF_HUB_OFFLINE is set",
                fix="unset it",
            )
        api = HfApi(endpoint=self.endpoint)
        with self._translated(name):
            info = api.model_info(name.repo, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        files = [
            HubFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else "")
            for file in info.siblings or ()
        ]
        if not re.fullmatch("[0-9a-f]{7,64}", info.sha or ""):
            what = f"{self.endpoint} gave no commit for {name}"
            raise BackendError(failure(FailureKind.MALFORMED_ANSWER, what, fix="check HF_ENDPOINT"))
        models = models_among(filter(is_safe, files))
        return Found(name, info.sha or "", choose(name, models), is_only=len(models) == 1)

    def fetch(self, text: str, progress: FetchProgress | None = None, *, updates: bool = False) -> Path:
        """Return the first file of the model that `text` names, fetched if it is not in the cache.

        With `updates` the hub is asked even if the cache has the model, and a newer one is fetched.

        Raises:
            ConfigError: there is no such model, it may not be read, or there is no room for it.
            BackendError: the hub can't be reached, or what came is not what it announced; what was fetched is kept
                in the first case, and removed in the second.
        """
        path = None if updates else self.cache.find(text)
        return path or self.download(self.find(text), progress or NoProgress())

    def download(self, found: Found, progress: FetchProgress) -> Path:
        """Fetch what is missing of a model, and return its first file.

        Raises:
            ConfigError, BackendError: as `fetch`.
        """
        folder, snapshot = self.cache.repo_folder(found.name.repo), self._snapshot(found)
        missing = [file for file in found.model.files if not (snapshot / file.path).exists()]
        with self._translated(found.name):
            if missing:
                (folder / "blobs").mkdir(parents=True, exist_ok=True)
                self._fetch_all(found, missing, progress)
            self.cache.note_only(found.name.repo, found.model.files[0].path if found.is_only else "")
        return self.files(found)[0]

    def files(self, found: Found) -> tuple[Path, ...]:
        """Return where the files of a model are once they are fetched."""
        return tuple(self._snapshot(found) / file.path for file in found.model.files)

    def _fetch_all(self, found: Found, files: list[HubFile], progress: FetchProgress) -> None:
        blobs = self.cache.repo_folder(found.name.repo) / "blobs"
        absent = [file for file in files if not (blobs / _blob_name(found, file)).exists()]
        if not absent:
            for file in files:
                self._link_file(found, file)
            return
        total = sum(file.size_bytes for file in absent)
        done = sum(size_of(self._partial(found, file)) for file in absent)
        _require_servable(found.name, absent)
        free = shutil.disk_usage(blobs).free
        if free < total - done:
            raise ConfigError(
                f"{found.name} needs {size_text(total - done)}, and {size_text(free)} are free in {self.cache.folder}",
                fix="make room, or set HF_HUB_CACHE to another folder",
            )
        begun = f", {size_text(done)} of them are here already" if done else ""
        parts = f" in {len(absent)} files" if len(absent) > 1 else ""
        what = f"fetching {found.name} ({size_text(total)}{parts}{begun}) from {self.endpoint} to {self.cache.folder}"
        progress.begin(what, total_bytes=total, done_bytes=done)
        try:
            for file in files:
                self._fetch_one(found, file, progress)
        finally:
            progress.end()

    def _fetch_one(self, found: Found, file: HubFile, progress: FetchProgress) -> None:
        blob = self.cache.repo_folder(found.name.repo) / "blobs" / _blob_name(found, file)
        partial = self._partial(found, file)
        url = hf_hub_url(found.name.repo, file.path, revision=found.commit, endpoint=self.endpoint)
        with _locked(partial, file, progress):
            if not blob.exists():
                partial.touch()
                with partial.open("r+b") as data:  # not "ab": where the hub ignores Range, it is begun again
                    if data.seek(0, os.SEEK_END) > file.size_bytes:
                        data.seek(0)
                        data.truncate()
                    http_get(
                        url,
                        data,
                        resume_size=data.tell(),
                        headers=build_hf_headers(library_name="nebulus"),
                        tqdm_class=_counting(progress.advance, resumed_bytes=data.tell()),
                    )
                _require_size(found.name, file, partial)
                _require_checksum(found.name, file, partial)
                progress.say(
                    f"{file.path}: SHA-256 verified"
                    if file.sha256
                    else f"{file.path}: not verified, the hub announces no SHA-256 for it"
                )
                partial.replace(blob)
        partial.with_suffix(".lock").unlink(missing_ok=True)
        self._link_file(found, file)

    def _link_file(self, found: Found, file: HubFile) -> None:
        folder = self.cache.repo_folder(found.name.repo)
        blob = folder / "blobs" / _blob_name(found, file)
        _link(blob, self._snapshot(found) / file.path)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(found.commit, encoding="utf-8")

    def _snapshot(self, found: Found) -> Path:
        return self.cache.repo_folder(found.name.repo) / "snapshots" / found.commit

    def _partial(self, found: Found, file: HubFile) -> Path:
        return self.cache.partial(found.name.repo, _blob_name(found, file), file.path)

    @contextmanager
    def _translated(self, name: HubName) -> Iterator[None]:
        """Turn what huggingface_hub raises into our errors."""
        try:
            yield
        except HfHubHTTPError as error:
            raise self._refused(error, name) from error
        except HFValidationError as error:
            raise ConfigError(
                f"{name.repo!r} can't be the name of a repository", fix=f"{excerpt(str(error))}"
            ) from error
        except OfflineModeIsEnabled as error:
            raise ConfigError(
                f"{name} is not in the cache, and HF_HUB_OFFLINE is set", fix="unset it"
            ) from error
        except httpx2.HTTPError as error:
            what = f"{self.endpoint} can't be reached for {name}: {type(error).__name__}"
            fix = "check the network and HF_ENDPOINT; what was fetched is kept, and the next try goes on from there"
            raise _failed(FailureKind.TRANSIENT, what, error, fix=fix) from error
        except (ValueError, KeyError, TypeError) as error:
            what = f"{self.endpoint} did not answer as a Hugging Face hub does for {name}"
            raise _failed(FailureKind.MALFORMED_ANSWER, what, error, fix="check HF_ENDPOINT") from error
        except OSError as error:
            what = f"{name} can't be written to {self.cache.folder}"
            fix = "make room or give rights there, or set HF_HUB_CACHE to another folder, and try again"
            raise _failed(FailureKind.PERMANENT, what, error, fix=fix) from error

    def _refused(self, error: HfHubHTTPError, name: HubName) -> ConfigError | BackendError:
        """Return what an answer with an error status means."""
        status = error.response.status_code
        if isinstance(error, GatedRepoError):
            return ConfigError(
                f"{name.repo} is gated: its owner wants terms accepted",
                fix=f"accept them at {self.endpoint}/{name.repo}, then set HF_TOKEN to a token of yours",
            )
        if isinstance(error, EntryNotFoundError):
            return ConfigError(
                f"{name} is no longer at {self.endpoint}", fix=f"name another file of {name.repo}"
            )
        if status in (401, 404):  # the hub says 401 for what does not exist, to those who are not signed in
            return ConfigError(
                f"{self.endpoint} has no model {name.repo}, or it is private",
                fix="correct the name, or set HF_TOKEN to a token that may read it",
            )
        what = f"{self.endpoint} answered {status} for {name}"
        return _failed(kind_of_status(status), what, error, fix="try again later, or check HF_TOKEN")


def _failed(kind: FailureKind, what: str, error: Exception, *, fix: str) -> BackendError:
    return BackendError(failure(kind, what, value=excerpt(str(error)), fix=fix))


async def fetch_in_thread(hub: Hub, text: str, progress: FetchProgress) -> Path:
    """Return what `Hub.fetch` does, without holding up the event loop; cancelling it stops the download.

    Raises:
        ConfigError, BackendError: as `Hub.fetch`.
    """
    stoppable = _Stoppable(progress)
    try:
        return await asyncio.to_thread(hub.fetch, text, stoppable)
    finally:
        stoppable.is_stopped = True


class _Stoppable:
    """Tells `inner`, and ends the download at the next bytes after it was stopped."""

    def __init__(self, inner: FetchProgress) -> None:
        self._inner, self.is_stopped = inner, False

    def begin(self, what: str, *, total_bytes: int, done_bytes: int) -> None:
        self._inner.begin(what, total_bytes=total_bytes, done_bytes=done_bytes)

    def advance(self, count_bytes: int) -> None:
        if self.is_stopped:
            raise FetchStopped
        self._inner.advance(count_bytes)

    def say(self, text: str) -> None:
        self._inner.say(text)

    def end(self) -> None:
        self._inner.end()


def _blob_name(found: Found, file: HubFile) -> str:
    """Return the name of a file's content in the cache: its SHA-256, as for all files in LFS."""
    return file.sha256 or hashlib.sha256(f"{found.commit}/{file.path}".encode()).hexdigest()


@contextmanager
def _locked(partial: Path, file: HubFile, progress: FetchProgress) -> Iterator[None]:
    """Keep other processes from the same file; waiting for one is said, and ends when `progress` is stopped."""
    lock, has_said = FileLock(partial.with_suffix(".lock")), False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_WAIT_S)
        except Timeout:
            if not has_said:
                progress.say(f"another process is fetching {file.path}; waiting for it ({lock.lock_file})")
            has_said = True
            progress.advance(0)
    try:
        yield
    finally:
        lock.release()


def _require_servable(name: HubName, files: list[HubFile]) -> None:
    """Check that no file is larger than what a hub serves in one answer.

    Raises:
        ConfigError: one is.
    """
    limit = constants.MAX_HTTP_DOWNLOAD_SIZE
    for file in files:
        if file.size_bytes > limit:
            raise ConfigError(
                f"{file.path} of {name} has {size_text(file.size_bytes)}, and a file of more than {size_text(limit)} "
                "can't be fetched",
                fix="name a model in several files, or a smaller quantisation",
            )


def _require_size(name: HubName, file: HubFile, partial: Path) -> None:
    """Remove a file that has not the size that the hub announced.

    Raises:
        BackendError: it has another.
    """
    size = size_of(partial)
    if size != file.size_bytes:
        partial.unlink()
        what = f"{file.path} of {name} came with {size} bytes where {file.size_bytes} were announced, and was removed"
        fix = f"`nebulus models pull {name}` fetches it again; if it happens again, check HF_ENDPOINT"
        raise BackendError(failure(FailureKind.MALFORMED_ANSWER, what, fix=fix))


def _require_checksum(name: HubName, file: HubFile, partial: Path) -> None:
    """Remove a file that is not what the hub announced.

    Raises:
        BackendError: its SHA-256 is another.
    """
    if not file.sha256:
        return
    digest = hashlib.sha256()
    with partial.open("rb") as data:
        while block := data.read(_BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() != file.sha256:
        partial.unlink()
        raise BackendError(
            failure(
                FailureKind.PERMANENT,
                f"{file.path} of {name} came damaged and was removed",
                value=f"SHA-256 {digest.hexdigest()}, announced {file.sha256}",
                fix=f"`nebulus models pull {name}` fetches it again; if it comes damaged again, something on the way "
                "changes it",
            )
        )


def _link(blob: Path, pointer: Path) -> None:
    """Give a content its name in a commit: a relative link, so that the cache can be moved."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(os.path.relpath(blob, pointer.parent))


def _counting(advance: Callable[[int], None], *, resumed_bytes: int) -> Any:
    """Return a bar that shows nothing and counts what http_get tells it."""

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            advance(min(0, options.get("initial", 0) - resumed_bytes))  # the hub may have ignored the Range
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            advance(int(n or 0))
            return None

    return Bar
