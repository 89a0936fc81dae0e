"""A handle refers to one stored result of this run, and carries its provenance."""

from nebulus.core.provenance import Origin, Provenance
from nebulus.core.state import Artifact
from nebulus.core.tools import ToolSpec
from nebulus.memory.handles import addressed, labels_of

LABEL = Provenance((Origin("tool", "read", "c2"),))
STORED = (Artifact(handle="c2", content="f" * 64, size_bytes=9, provenance=LABEL),)
LOOK = ToolSpec(name="look", handles=("handle",))


def test_a_known_handle_becomes_its_address_and_anything_else_stays() -> None:
    assert addressed({"handle": "c2", "find": "c2"}, LOOK, STORED) == {"handle": "f" * 64, "find": "c2"}
    assert addressed({"handle": "c9"}, LOOK, STORED) == {"handle": "c9"}
    assert addressed({"handle": "c2"}, ToolSpec(name="other"), STORED) == {"handle": "c2"}


def test_what_is_read_from_a_stored_result_has_its_provenance() -> None:
    assert labels_of({"handle": "c2"}, LOOK, STORED) == (LABEL,)
    assert labels_of({"handle": "c9"}, LOOK, STORED) == ()
