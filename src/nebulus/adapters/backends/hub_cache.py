"""The cache of Hugging Face's programs: which models are in it, without any network.

Source: "Understand caching" in the documentation of huggingface_hub: `models--OWNER--REPO`, in it `refs/main` (a commit),
`snapshots/COMMIT/PATH` (links), and `blobs/SHA256` (contents).
"""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from msgspec import Struct

from nebulus.adapters.backends.hub_files import (
    HubFile,
    HubModel,
    HubName,
    choose,
    fitting,
    models_among,
    quant_of,
    read_name,
    whole_of,
)
from nebulus.core.errors import ConfigError

PARTIAL = ".nebulus.incomplete"
"""How the name of a file ends that is not whole yet."""

ONLY = ".nebulus.only"
"""A file of ours in a repository's folder: the path of its only model. Other programs ignore it."""


class CachedModel(Struct, frozen=True):
    """A model in the cache: its name, and its files with their sizes."""

    name: HubName
    files: tuple[Path, ...]
    size_bytes: int


class HubCache:
    """The models in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, text: str) -> Path | None:
        """Return the first file of the model that `text` names if all of it is in the cache, else None.

        Uses no network. Where the cache has several commits, the newest one that has the model counts. A name without
        a quantisation means the default one, else the model that `note_only` recorded.

        Raises:
            ConfigError: `text` is not such a name, or fits several files.
        """
        name = read_name(text)
        only = "" if name.which else self._only(name.repo)
        for wanted in (name, HubName(name.repo, only)) if only else (name,):
            for snapshot in self.snapshots(self.repo_folder(name.repo)):
                models = _models_in(snapshot)
                if fitting(wanted, models):
                    return snapshot / choose(wanted, models).files[0].path
        return None

    def note_only(self, repo: str, path: str) -> None:
        """Record the first file of the only model that the hub has in `repo`; "" if it has several models.

        Raises:
            OSError: it can't be written.
        """
        if path != self._only(repo):
            (self.repo_folder(repo) / ONLY).write_text(path, encoding="utf-8")

    def models(self) -> Iterator[CachedModel]:
        """Yield the models of the cache, each as its newest commit has it; uses no network."""
        for folder in sorted(self.folder.glob("models--*")):
            repo = folder.name.removeprefix("models--").replace("--", "/", 1)
            known: set[str] = set()
            for snapshot in self.snapshots(folder):
                models = _models_in(snapshot)
                quants = [model.quant.casefold() for model in models]
                for model in models:
                    is_plain = model.quant and quants.count(model.quant.casefold()) == 1
                    which = model.quant if is_plain else model.files[0].path
                    if which.casefold() not in known:
                        known.add(which.casefold())
                        paths = tuple(snapshot / file.path for file in model.files)
                        yield CachedModel(HubName(repo, which), paths, model.size_bytes)

    def partial(self, repo: str, blob_name: str, path: str) -> Path:
        """Return where the file `path` is while it is fetched; the name keeps the end of `path`."""
        return self.repo_folder(repo) / "blobs" / f"{blob_name}.{quote(path, safe='')[-120:]}{PARTIAL}"

    def interrupted(self) -> Iterator[CachedModel]:
        """Yield the models whose download was interrupted, each with the files and parts of files that are here."""
        for folder in sorted(self.folder.glob("models--*")):
            found: dict[str, set[Path]] = defaultdict(set)
            for partial in folder.glob(f"blobs/*{PARTIAL}"):
                path = unquote(partial.name.removesuffix(PARTIAL).partition(".")[2])
                parts = (
                    file
                    for snapshot in self.snapshots(folder)
                    if not (snapshot / path).exists()
                    for file in snapshot.rglob("*.gguf")
                    if whole_of(file.relative_to(snapshot).as_posix()) == whole_of(path)
                )
                found[quant_of(path) or path] |= {partial, *parts}
            repo = folder.name.removeprefix("models--").replace("--", "/", 1)
            for which, files in found.items():
                yield CachedModel(HubName(repo, which), tuple(sorted(files)), sum(map(size_of, files)))

    def remove(self, model: CachedModel) -> int:
        """Remove the files of a model from the cache, of every commit; return how many bytes that freed.

        Other files of the repository stay.

        Raises:
            ConfigError: they can't be removed.
        """
        folder, freed = self.repo_folder(model.name.repo), 0
        try:
            for file in model.files:
                freed += (
                    _unlink(file, folder)
                    if file.parent == folder / "blobs"
                    else self._unlink_all(file, folder)
                )
            kept = (*folder.glob("snapshots/**/*"), *folder.glob(f"blobs/*{PARTIAL}"))
            if not any(path.is_file() for path in kept):
                shutil.rmtree(folder)
        except OSError as error:
            raise ConfigError(f"{model.name} can't be removed from {folder}: {error.strerror}") from error
        return freed

    def _unlink_all(self, file: Path, folder: Path) -> int:
        name = file.relative_to(folder / "snapshots").parts[1:]
        links = [snapshot.joinpath(*name) for snapshot in self.snapshots(folder)]
        return sum(_unlink(link, folder) for link in links if link.is_symlink() or link.exists())

    def _only(self, repo: str) -> str:
        try:
            return (self.repo_folder(repo) / ONLY).read_text(encoding="utf-8")
        except OSError:
            return ""

    def repo_folder(self, repo: str) -> Path:
        """Return where a repository is."""
        return self.folder / f"models--{repo.replace('/', '--')}"

    @staticmethod
    def snapshots(folder: Path) -> list[Path]:
        """Return the commits in the cache, that of `main` first, the others from the newest on."""
        try:
            main = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
        except OSError:
            main = ""
        return sorted(
            folder.glob("snapshots/*"),
            key=lambda path: (path.name == main, path.stat().st_mtime),
            reverse=True,
        )


def _unlink(path: Path, folder: Path) -> int:
    """Remove a file of a repository, and its content if that is in `folder` and unused; return the bytes freed."""
    size, blob, is_link = size_of(path), path.resolve(), path.is_symlink()
    path.unlink()
    if not is_link:
        if path.name.endswith(PARTIAL):
            path.with_suffix(".lock").unlink(missing_ok=True)
        return size
    is_used = any(other.resolve() == blob for other in folder.glob("snapshots/**/*.gguf"))
    if is_used or blob.parent != (folder / "blobs").resolve():
        return 0
    blob.unlink(missing_ok=True)
    return size


def _models_in(snapshot: Path) -> list[HubModel]:
    files = [path for path in snapshot.rglob("*.gguf") if path.exists()]
    return models_among(HubFile(path.relative_to(snapshot).as_posix(), path.stat().st_size) for path in files)


def size_of(path: Path) -> int:
    """Return the size of a file, 0 if it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
