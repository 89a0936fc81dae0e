"""Where a path leads, link by link.

The standard library stops resolving in silence at links that lead in a circle; this does not.
"""

import posixpath
from collections.abc import Callable
from typing import TypeAlias

LINKS_FOLLOWED = 40
"""Source: path_resolution(7), the most links that Linux follows in one path."""

LinkAt: TypeAlias = Callable[[str], str | None]
"""Given an absolute path without links before its last part: where it leads, None if it is no link."""


def followed(path: str, link_at: LinkAt) -> str | None:
    """Return the absolute `path` with links and `..` resolved, None if its links have no end.

    What does not exist is no link, and is kept.
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
