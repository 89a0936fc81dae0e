"""What a chat protocol must be able to do: write a request, read an answer, read a stream.

Invariants: pure; nothing is repaired and nothing dropped: texts and arguments come out verbatim.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from nebulus.adapters.backends.faults import failure, of_error_chunk
from nebulus.adapters.backends.schema_subset import Reduced
from nebulus.core.answers import FinishReason, ModelAnswer, ModelRequest, RawCall
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.ports.backend import OnText


class StreamReader(Protocol):
    """Collects one streamed answer."""

    def feed(self, payload: bytes) -> None:
        """Take the JSON of one event.

        Raises:
            BackendError: it is an error of the server's.
            msgspec.MsgspecError: it is not an event of this protocol.
        """
        ...

    def finish(self) -> ModelAnswer:
        """Return the whole answer.

        Raises:
            BackendError: the stream ended before the answer did.
        """
        ...


class ChatWire(Protocol):
    """One chat protocol."""

    @property
    def path(self) -> str:
        """Where requests go."""
        ...

    @property
    def is_bare(self) -> bool:
        """Whether a stream is lines of JSON, and not server-sent events."""
        ...

    def body(self, request: ModelRequest, *, is_stream: bool) -> bytes:
        """Write a request as JSON."""
        ...

    def sent(self, request: ModelRequest) -> Reduced | None:
        """Return the schema of ours that the server gets for the answer; None if it gets none."""
        ...

    def read(self, raw: bytes) -> ModelAnswer:
        """Read an answer.

        Raises:
            msgspec.MsgspecError: it is not of this protocol.
        """
        ...

    def reader(self, on_text: OnText) -> StreamReader:
        """Begin to read a stream."""
        ...


FINISHES: Mapping[str, FinishReason] = {
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "content_filter": FinishReason.FILTER,
    "refusal": FinishReason.FILTER,
}
"""Every other word (stop, end_turn, tool_calls, tool_use, eos …) is a stop of the model's own.

Source: OpenAI chat completions `finish_reason`, Anthropic messages `stop_reason`, Ollama `done_reason`.
"""


def finish_of(word: str | None, calls: tuple[RawCall, ...]) -> FinishReason:
    """Return why the model stopped."""
    return FINISHES.get(word or "", FinishReason.CALLS if calls else FinishReason.STOP)


def as_text(raw: msgspec.Raw) -> str:
    """Return arguments as text: a JSON string is unwrapped once, an object is kept verbatim."""
    data = bytes(raw)
    if data[:1] == b'"':
        return msgspec.json.decode(data, type=str)
    return "" if data == b"null" else data.decode()


def raise_if_error(payload: bytes, event: Any) -> None:
    """Raise for an event that has an error in it.

    Raises:
        BackendError: it has.
    """
    if event is not None:
        raise BackendError(of_error_chunk({"error": event}, payload))


def broken_off(so_far: str) -> BackendError:
    """Return the error of a stream that ended before its answer did."""
    return BackendError(
        failure(FailureKind.TRANSIENT, "the stream broke off", value=f"after {len(so_far)} characters")
    )
