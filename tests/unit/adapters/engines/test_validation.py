"""What every engine refuses before it stores or resumes something."""

import pytest

from nebulus.adapters.engines.validation import refuse_negative, refuse_other_version, text_of
from nebulus.core.errors import ConfigError, JournalError, StoreError


def test_less_than_nothing_can_not_be_kept() -> None:
    refuse_negative(None)
    refuse_negative(0)
    with pytest.raises(ConfigError, match="keep=-2"):
        refuse_negative(-2)


def test_bytes_that_are_not_text_are_named() -> None:
    assert text_of('"ü"'.encode(), "the answer") == '"ü"'
    with pytest.raises(StoreError, match="the answer is not UTF-8"):
        text_of(b"\xc3", "the answer")


def test_a_run_of_another_version_is_named_with_both_versions() -> None:
    refuse_other_version("run", recorded="1", ours="1")
    with pytest.raises(JournalError, match=r"'run' was recorded by version '1' .* this is version '2'"):
        refuse_other_version("run", recorded="1", ours="2")
