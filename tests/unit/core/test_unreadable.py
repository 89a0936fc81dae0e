"""A text that is nested without an end is as unreadable as any other, for everybody who decodes what others wrote."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nebulus.adapters.backends.anthropic_wire import _message
from nebulus.adapters.backends.chat import decoded
from nebulus.adapters.backends.faults import of_status
from nebulus.adapters.backends.forms import shape_failure
from nebulus.adapters.trust.ledger import FILE_NAME, TrustLedger
from nebulus.ceiling.profile import decode_profile
from nebulus.core.errors import BackendError, ConfigError, JournalError, NebulusError
from nebulus.core.failure import FailureKind
from nebulus.core.journal import decode_batch
from nebulus.runtime.supervise import read_request

NESTED = b"[" * 50_000 + b"]" * 50_000
UNKNOWN = b'{"unknown": ' + NESTED + b"}"


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda: decoded(_message.decode, UNKNOWN), BackendError),
        (lambda: decode_profile(UNKNOWN, "a profile"), ConfigError),
        (lambda: decode_batch(b'[{"unknown": ' + NESTED + b"}]"), JournalError),
        (lambda: read_request(UNKNOWN.decode()), JournalError),
    ],
)
def test_it_is_an_error_of_ours(read: Callable[[], object], error: type[NebulusError]) -> None:
    with pytest.raises(error):
        read()


def test_an_error_body_still_says_its_status() -> None:
    assert of_status(500, {}, UNKNOWN, now_s=0).kind is not FailureKind.OURS


def test_it_is_not_of_any_schema() -> None:
    assert shape_failure(NESTED.decode(), {"type": "array"}) is not None


def test_what_is_trusted_is_not_forgotten_over_it(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(UNKNOWN)
    with pytest.raises(ConfigError, match="nobody knows what you trust"):
        TrustLedger(tmp_path).load()
