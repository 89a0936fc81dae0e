"""What both engines check about the batches of a run."""

import pytest

from nebulus.adapters.engines.batches import refuse_negative, refuse_other_version, text_of
from nebulus.core.errors import ConfigError, JournalError, StoreError


def test_less_than_nothing_can_not_be_kept() -> None:
    refuse_negative(None)
    refuse_negative(0)
    with pytest.raises(ConfigError, match="keep=-2"):
        refuse_negative(-2)


def test_bytes_that_are_not_text_are_named() -> None:
    with pytest.raises(StoreError, match="the answer is not UTF-8"):
        text_of(b"\xc3", "the answer")


def test_a_run_of_another_version_is_refused_and_both_versions_are_named() -> None:
    refuse_other_version("r", recorded="1", ours="1")
    with pytest.raises(JournalError, match="version '1' of the runtime, and this is version '2'"):
        refuse_other_version("r", recorded="1", ours="2")
