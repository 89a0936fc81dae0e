"""Where a value came from, and whether it may be trusted.

Invariant: labels are joined; passing through a model never removes one.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

OriginKind: TypeAlias = Literal["user", "config", "tool", "worker", "model", "document", "workspace"]


class Origin(Struct, frozen=True, order=True, omit_defaults=True):
    """One place that a value came from."""

    kind: OriginKind
    ref: str = ""
    """Which one: the name of a tool or of a tier, or a path."""
    call_id: str = ""
    """The call that returned it, for a tool."""

    @property
    def words(self) -> str:
        """The origin as shown to a person: "tool read_file c3"."""
        return " ".join(part for part in (self.kind, self.ref, self.call_id) if part)


class Provenance(Struct, frozen=True, omit_defaults=True):
    """Every origin of a value; `is_trusted` is true only if all of them are trusted."""

    origins: tuple[Origin, ...] = ()
    is_trusted: bool = False


USER = Provenance(origins=(Origin("user"),), is_trusted=True)
CONFIG = Provenance(origins=(Origin("config"),), is_trusted=True)


def join(parts: Iterable[Provenance]) -> Provenance:
    """Return the label of a value made from `parts`: the union of origins, trusted only if all are.

    A value made from nothing is untrusted.
    """
    known = tuple(parts)
    origins = sorted({origin for part in known for origin in part.origins})
    return Provenance(tuple(origins), bool(known) and all(part.is_trusted for part in known))
