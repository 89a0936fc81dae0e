"""The frame of a command that only looks: settings are read, errors explained, what is found is shown once."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from nebulus.app.settings import Settings
from nebulus.cli.console import reporting, show, show_json, stdout
from nebulus.cli.place import Choice, settings_of
from nebulus.report.text import Line

_Found = TypeVar("_Found")


class View(Struct, frozen=True):
    """The settings of a folder, and how what is found is shown."""

    settings: Settings
    as_json: bool

    def show(self, found: _Found, lines: Callable[[_Found], Iterable[Line]], *, document: Any = None) -> None:
        """Show what was found as one JSON document (`document`, if it is given), or as lines for a person."""
        if self.as_json:
            show_json(found if document is None else document)
        else:
            show(lines(found), stdout())


@contextmanager
def open_view(folder: Path, config: Path | None, *, as_json: bool) -> Iterator[View]:
    """Read the settings of `folder`; turn what goes wrong inside into an explanation and an exit code.

    Raises:
        typer.Exit: something went wrong.
    """
    with reporting(as_json=as_json):
        yield View(settings_of(folder, Choice(config=str(config or "")), only_looks=True), as_json)
