"""Where a path leads, link by link.

The standard library stops resolving in silence at links that lead in a circle; this does not.
"""

import os
import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

LINKS_FOLLOWED = 40
"""Source: path_resolution(7), the most links that Linux follows in one path."""

LinkAt: TypeAlias = Callable[[str], str | None]
"""Given an absolute path without links before its last part: where it leads, None if it is not a link."""


def followed(path: str, link_at: LinkAt) -> str | None:
    """Return the absolute `path` with links and `..` resolved, None if its links have no end.

    What does not exist is not a link, and is kept.
    """
    left = path.split("/")[::-1]
    place = "/"
    links = 0
    while left:
        here = posixpath.normpath(posixpath.join(place, left.pop()))
        target = link_at(here)
        if target is None:
            place = here
            continue
        links += 1
        if links > LINKS_FOLLOWED:
            return None
        left += target.split("/")[::-1]
        if target.startswith("/"):
            place = "/"
    return place


def names_of(path: Path) -> tuple[Path, ...]:
    """Return the places on which `path` depends: each link on its way, and what it finally leads to.

    Whoever replaces one of them decides what is found at `path`. What can't be looked at is not followed.
    """
    links: list[Path] = []

    def noted(place: str) -> str | None:
        try:
            target = os.readlink(place)  # noqa: PTH115
        except OSError:  # Not a link, missing, or not readable.
            return None
        links.append(Path(place))
        return target

    final = followed(os.path.join(os.getcwd(), path), noted)  # noqa: PTH109, PTH118 - `..` is resolved after links
    return (*links, *((Path(final),) if final else ()))
