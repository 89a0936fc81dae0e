"""What is kept of an output is bounded, and is both its ends."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.sandboxes.processes import KeptOutput


@given(pieces=st.lists(st.binary(max_size=30), max_size=20), limit=st.integers(2, 100))
def test_both_ends_of_the_output_are_kept(pieces: list[bytes], limit: int) -> None:
    kept, whole = KeptOutput(limit), b"".join(pieces)
    for piece in pieces:
        kept.add(piece)
    half = limit // 2
    if len(whole) <= 2 * half:
        assert (kept.is_cut, kept.text()) == (False, whole.decode(errors="replace"))
        return
    gap = f"\n[... {len(whole) - 2 * half} bytes left out ...]\n".encode()
    assert kept.is_cut
    assert kept.text() == (whole[:half] + gap + whole[len(whole) - half :]).decode(errors="replace")
