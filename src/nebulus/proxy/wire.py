"""What each protocol that clients speak must be able to do, and how refusals are told in it.

Invariants: pure; a refusal has our text and the whole account in it, with a status that makes known clients show the
text and send no second request, unless waiting is all that is needed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.proxy.asked import ClientRequest, refused
from nebulus.proxy.reply import Account, NoReply, Reply

MOST_RETRY_AFTER_S = 120
"""The longest wait that a client is asked for: the Anthropic SDK would sleep for any time. Source: its retry code."""
ACCOUNT = "nebulus"
"""The extension field with the account, in every answer and error."""


MOST_VALUES = 2_000_000
"""The most values in a body: `[[],[],…` takes forty times its size once it is decoded. A text that fits a window of a
million tokens has fewer commas and brackets."""
MOST_STOPS, MOST_STOP_CHARS = 64, 4096
"""The most stop sequences, and the most characters in all of them: each piece of an answer is compared with them."""
MOST_NAME_CHARS = 1000
"""The longest name of a model that is looked for; it is repeated in errors."""


class Refusal(Struct, frozen=True, kw_only=True):
    """An error as HTTP: its status, its own headers, and its body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any]


class StreamWriter(Protocol):
    """Writes one answer as server-sent events. Every method returns the bytes to send."""

    def begin(self) -> bytes:
        """Return what comes first."""
        ...

    def text(self, piece: str) -> bytes:
        """Return the next piece of text."""
        ...

    def keep_alive(self) -> bytes:
        """Return what keeps the client waiting while nothing can be said yet."""
        ...

    def finish(self, reply: Reply) -> bytes:
        """Return the calls and the end; the text was written already."""
        ...

    def fail(self, failed: NoReply) -> bytes:
        """Return an error after the stream has begun, and the end."""
        ...


class ClientWire(Protocol):
    """One protocol, as a server speaks it."""

    def read(self, body: bytes) -> ClientRequest | Failure:
        """Return what a body asks for, or why it can't be meant."""
        ...

    def whole(
        self, reply: Reply, asked: ClientRequest, *, response_id: str, created_s: int
    ) -> dict[str, Any]:
        """Return an answer that is not streamed."""
        ...

    def writer(self, asked: ClientRequest, *, model: str, response_id: str, created_s: int) -> StreamWriter:
        """Begin to write a streamed answer."""
        ...

    def refusal(self, failed: NoReply) -> Refusal:
        """Return an error, before anything was sent."""
        ...


def read_request(wire: ClientWire, body: bytes) -> ClientRequest | Failure:
    """Return what `body` asks for in the protocol `wire`, or why it can't be meant. No body is worse than that."""
    if sum(map(body.count, (b",", b"{", b"["))) > MOST_VALUES:
        return refused("the body consists of too many values", value=f"{MOST_VALUES} are the most")
    try:
        asked = wire.read(body)
    except RecursionError:
        return refused("the body is nested too deeply")
    if isinstance(asked, Failure):
        return asked
    if len(asked.stops) > MOST_STOPS or sum(map(len, asked.stops)) > MOST_STOP_CHARS:
        fix = f"send at most {MOST_STOPS}, with {MOST_STOP_CHARS} characters in all"
        return refused("there are too many stop sequences, or they are too long", fix=fix)
    if len(asked.model) > MOST_NAME_CHARS:
        return refused("the name of the model is too long", value=asked.model)
    return asked


def account_of(account: Account, failure: Failure | None = None) -> dict[str, Any]:
    """Return the extension field: all attempts, notes, the sum of tokens, and the failure if there is one."""
    attempts = [
        {name: value for name, value in msgspec.to_builtins(each).items() if name != "type"}
        for each in account.attempts
    ]
    told: dict[str, Any] = {"attempts": attempts, "usage": msgspec.to_builtins(account.usage)}
    if account.notes:
        told["notes"] = list(account.notes)
    if failure is not None:
        told["failure"] = msgspec.to_builtins(failure)
    return told


def account_headers(account: Account) -> dict[str, str]:
    """Return the account as headers, for answers that are not streamed."""
    usage = account.usage
    headers = {
        "x-nebulus-attempts": str(len(account.attempts)),
        "x-nebulus-usage": f"prompt={usage.prompt_tokens};completion={usage.completion_tokens}",
    }
    if account.attempts:
        headers["x-nebulus-tier"] = account.attempts[-1].tier.encode("ascii", "replace").decode()
    return headers


class Kind(Struct, frozen=True):
    """How a failure is told: the status in each protocol, and the type of error of OpenAI and of Anthropic."""

    chat: int
    responses: int
    messages: int
    openai_type: str
    anthropic_type: str


_BAD_REQUEST = Kind(400, 400, 400, "invalid_request_error", "invalid_request_error")
_CONTRACT: Mapping[FailureKind, Kind] = MappingProxyType(
    {
        FailureKind.INVALID_ARGUMENTS: _BAD_REQUEST,
        FailureKind.NOT_FOUND: Kind(404, 404, 404, "invalid_request_error", "not_found_error"),
        FailureKind.PERMISSION: Kind(401, 401, 401, "authentication_error", "authentication_error"),
    }
)
"""What a client did wrong, in each protocol's own terms."""
_TOO_LARGE = _BAD_REQUEST
_THROTTLED = Kind(429, 429, 429, "rate_limit_error", "rate_limit_error")
_OTHER = Kind(422, 400, 500, "nebulus_error", "api_error")
"""Measured: Claude Code 2.1 sends a 422 six times, a 500 with `x-should-retry: false` once. Codex 0.171 sends a 422 six
times, a 400 once. The SDKs, opencode and qwen-code send a 422 once. Each shows our text."""


def kind_of(failure: Failure) -> Kind:
    """Return how `failure` is told."""
    if failure.fault is Fault.CONTRACT and failure.kind in _CONTRACT:
        return _CONTRACT[failure.kind]
    if failure.kind is FailureKind.PROMPT_TOO_LARGE:
        return _TOO_LARGE
    is_short = 0 < failure.retry_after_s <= MOST_RETRY_AFTER_S
    return _THROTTLED if failure.kind is FailureKind.THROTTLED and is_short else _OTHER


def retry_headers(failure: Failure) -> dict[str, str]:
    """Return what tells a client whether another request can help, and when."""
    if kind_of(failure) is _THROTTLED:
        return {"Retry-After": str(max(1, round(failure.retry_after_s)))}
    return {"x-should-retry": "false"}


def code_of(failure: Failure) -> str:
    """Return OpenAI's code of an error: its own where it has one, else ours."""
    if failure.kind is FailureKind.PROMPT_TOO_LARGE:
        return "context_length_exceeded"
    if failure.fault is Fault.CONTRACT and failure.kind is FailureKind.NOT_FOUND:
        return "model_not_found"
    return f"nebulus_{failure.kind.value}"


def openai_error(failed: NoReply) -> dict[str, Any]:
    """Return the error object of OpenAI's protocols, with the account."""
    failure = failed.failure
    return {
        "message": failure.sentence(),
        "type": kind_of(failure).openai_type,
        "param": None,
        "code": code_of(failure),
        ACCOUNT: account_of(failed.account, failure),
    }


def openai_refusal(failed: NoReply, status: int) -> Refusal:
    """Return an error of OpenAI's protocols."""
    headers = retry_headers(failed.failure) | account_headers(failed.account)
    return Refusal(status=status, headers=headers, body={"error": openai_error(failed)})


_encoder = msgspec.json.Encoder()


def event(data: Any, name: str = "") -> bytes:
    """Return one server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + _encoder.encode(data) + b"\n\n"
