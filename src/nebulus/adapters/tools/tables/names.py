"""The columns of a table by name. Pure.

Invariants: a name means exactly one column, or the error names the nearest and all; what was forgiven is noted.
"""

import difflib
import re
from collections.abc import Sequence

from nebulus.core.errors import ToolError
from nebulus.core.failure import FailureKind

QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'|`([^`]*)`")
_NAMES_SHOWN = 40


def wrong(what: str, value: str = "", fix: str = "") -> ToolError:
    """Return the error for a request that can't be met as it is written."""
    return ToolError(what, kind=FailureKind.INVALID_ARGUMENTS, value=value[:200], fix=fix)


class Names:
    """The column names of a table. `prefixes` may be in front of one, as in `orders.total`."""

    def __init__(self, names: Sequence[str], *, prefixes: Sequence[str] = ()) -> None:
        self.all = tuple(names)
        self.notes: list[str] = []
        self._prefixes = tuple(f"{prefix}." for prefix in prefixes)

    def find(self, given: str) -> int:
        """Return the place of the column that `given` names.

        Case, blanks and underscores are forgiven where exactly one column matches, which `notes` then say.

        Raises:
            ToolError: no column has this name; the message names the nearest and all.
        """
        name = unquoted(given.strip())
        for form in (
            name,
            *(name.removeprefix(prefix) for prefix in self._prefixes if name.startswith(prefix)),
        ):
            if form in self.all:
                return self.all.index(form)
            same = [place for place, known in enumerate(self.all) if folded(known) == folded(form)]
            if len(same) == 1 and form:
                self._note(f"{form!r} was taken as the column {self.all[same[0]]!r}")
                return same[0]
        near = difflib.get_close_matches(folded(name), list(map(folded, self.all)), n=2, cutoff=0.5)
        nearest = [known for known in self.all if folded(known) in near]
        meant = f"did you mean {' or '.join(map(repr, nearest))}? " if nearest else ""
        raise wrong(f"there is no column {name[:80]!r}", fix=f"{meant}The columns are: {self.listed()}")

    def listed(self) -> str:
        """Return all names, or the first and how many more there are."""
        more = f" and {len(self.all) - _NAMES_SHOWN} more" if len(self.all) > _NAMES_SHOWN else ""
        return ", ".join(self.all[:_NAMES_SHOWN]) + more

    def split(self, text: str) -> list[str]:
        """Return the parts of a list that commas separate; a column name may contain commas itself."""
        parts: list[str] = []
        rest = text.strip().removeprefix("[").removesuffix("]").strip()
        by_length = sorted((name for name in self.all if "," in name), key=len, reverse=True)
        while rest:
            whole = next((name for name in by_length if rest.startswith(name)), "")
            quoted = QUOTED.match(rest)
            end = len(whole) or (quoted.end() if quoted else 0)
            end = _end_of_part(rest, end)
            parts.append(rest[:end].strip())
            rest = rest[end + 1 :].strip()
        return [part for part in parts if part]

    def bare(self, text: str) -> str:
        """Return a name without the file that may be in front of it."""
        name = text.strip()
        return next((name[len(prefix) :] for prefix in self._prefixes if name.startswith(prefix)), name)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def unquoted(text: str) -> str:
    """Return `text` without the quotes around all of it."""
    quoted = QUOTED.fullmatch(text)
    return next(part for part in quoted.groups() if part is not None) if quoted else text


def folded(name: str) -> str:
    """Return what two names have in common that differ only in case, blanks and underscores."""
    return " ".join(name.replace("_", " ").casefold().split())


def _end_of_part(text: str, start: int) -> int:
    """Return where the part ends: at the first comma outside of parentheses."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if text[at] == "," and depth <= 0:
            return at
    return len(text)
