"""Carries a client's request to the models behind the proxy, through the ports that runs use.

Invariants: a cancelled request closes its connection to the model server, which frees its slot; nothing of one
request is visible to another.
"""

import asyncio
import string
from collections.abc import Callable, Mapping
from secrets import token_bytes

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.answers import FreeForm, ModelAnswer, ModelRequest, Shape
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Finding
from nebulus.core.limits import Limits
from nebulus.core.tiers import Tier
from nebulus.guard.secrets import Secrets
from nebulus.memory.window import estimated, room_bytes, too_large, tools_bytes, updated_rate
from nebulus.ports.backend import BackendInfo, ModelBackend, OnText, TokenCount
from nebulus.ports.world import Clock
from nebulus.proxy.asked import ClientRequest
from nebulus.proxy.checked import Accepted, check
from nebulus.proxy.exchange import Exchange, after_failure, after_finding, begin, request_of
from nebulus.proxy.gate import StopCutter, TextGate, unsent
from nebulus.proxy.guarding import CallGuard
from nebulus.proxy.reply import Answered, Attempt, NoReply, Reply
from nebulus.runtime.breakers import Breakers
from nebulus.runtime.world import SystemClock
from nebulus.transcript.fold import fold_history

ALIAS = "nebulus"
"""The model name that means: the smallest tier, and larger ones where it fails."""


_ID_CHARS = string.ascii_letters + string.digits
ID_CHARS = 9
"""The length of call ids. Source: Mistral's chat templates, which take ids of nine letters and digits only."""


def new_call_id() -> str:
    """Return an id for a call, unlikely to be taken in any conversation."""
    return "".join(_ID_CHARS[byte % len(_ID_CHARS)] for byte in token_bytes(ID_CHARS))


class ServedTier(Struct, kw_only=True):
    """A tier with its backend. `tokens_per_byte` is learnt from what the server reports."""

    tier: Tier
    backend: ModelBackend
    info: BackendInfo
    tokens_per_byte: float = 0.0


class _Sized(Struct, frozen=True):
    """A request and the size of its prompt, without the chat template."""

    request: ModelRequest
    size_bytes: int
    note: str = ""
    """How the history was folded, "" if it was not."""


LEAST_RATED_BYTES = 4096
"""In a smaller prompt the chat template is too much of it to learn from how many tokens a byte becomes."""


class _Sending:
    """What of the answers goes to the client while they are written: of one attempt alone, since text can't be taken back."""

    def __init__(self, asked: ClientRequest, send: OnText | None) -> None:
        self._asked, self._send = asked, send
        self._names = [tool.name for tool in asked.tools]
        self._sent_before = self._sent = ""
        self._restart()

    def _restart(self) -> None:
        self._sent_before = self._sent
        self._cutter, self._gate = StopCutter(self._asked.stops), TextGate(self._names)

    def begin(self, request: ModelRequest, info: BackendInfo) -> OnText | None:
        """Return who takes the text of an answer to `request`; None if nobody does."""
        self._restart()
        is_certain = isinstance(request.form, FreeForm) or (
            isinstance(request.form, Shape) and info.constrains_json
        )
        if self._send is None or self._sent or not is_certain or (self._asked.schema and self._names):
            return None
        return self._take

    def _take(self, piece: str) -> None:
        text = self._gate.feed(self._cutter.feed(piece))
        if text and self._send is not None:
            self._sent += text
            self._send(text)

    def finish(self, accepted: Accepted, answer: ModelAnswer) -> None:
        """Send what of the text of an `accepted` answer was not sent yet."""
        if self._send is None:
            return
        text = accepted.text
        rest = unsent(self._sent, text, written="" if accepted.calls or accepted.stop else answer.text)
        if self._sent_before.strip():
            rest = f"\n\n{text}" if text else ""
        if rest:
            self._send(rest)


class Upstream:
    """The models of the settings, by tier, from small to large."""

    def __init__(
        self,
        tiers: Mapping[str, ServedTier],
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        guard: CallGuard | None = None,
        folds: bool = False,
        secrets: Secrets | None = None,
        new_id: Callable[[], str] = new_call_id,
    ) -> None:
        self.tiers = dict(tiers)
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._breakers = Breakers(self._limits)
        self._new_id = new_id
        self._guard = guard or CallGuard()
        self._folds, self._secrets = folds, secrets or Secrets()

    @property
    def models(self) -> tuple[str, ...]:
        """The names that a client may give as its model."""
        return (ALIAS, *(name for name in self.tiers if name != ALIAS))

    def tiers_of(self, model: str) -> tuple[Tier, ...] | Failure:
        """Return the tiers that may answer for `model`; the failure that there is no such model.

        A tier that is named is the only one: no other model answers in its place.
        """
        named = [each.tier for name, each in self.tiers.items() if model in (name, each.info.model)]
        if named:
            return (named[0],)
        if model in ("", ALIAS):
            return tuple(each.tier for each in self.tiers.values())
        return Failure(
            kind=FailureKind.NOT_FOUND,
            fault=Fault.CONTRACT,
            what=f"there is no model {model!r} here",
            fix=f"use one of {', '.join(self.models)}",
        )

    async def answer(self, asked: ClientRequest, send: OnText | None = None) -> Answered:
        """Return an answer to `asked`, or why there is none; with `send`, its text is passed on as it is written."""
        tiers = self.tiers_of(asked.model)
        if isinstance(tiers, Failure):
            return NoReply(failure=tiers)
        asked = self._guard.declared(asked)
        exchange = begin(asked, tiers, self._limits)
        sending = _Sending(asked, send)
        while True:
            following = await self._attempted(exchange, sending)
            if not isinstance(following, Exchange):
                return following
            exchange = following
            if exchange.wait_s:
                await self._clock.sleep(exchange.wait_s)

    async def count(self, asked: ClientRequest) -> int | Failure:
        """Return the tokens of the prompt of `asked`, or why they can't be counted."""
        tiers = self.tiers_of(asked.model)
        if isinstance(tiers, Failure):
            return tiers
        request = request_of(begin(asked, tiers, self._limits), max_tokens=1)
        counted = await self._counted(request, self.tiers[tiers[0].name])
        return counted if isinstance(counted, Failure) else counted.tokens

    async def _attempted(self, exchange: Exchange, sending: _Sending) -> Exchange | Answered:
        """Make one attempt; return the answer, or the exchange with the next one prepared."""
        served = self.tiers[exchange.tier.name]
        sized = await self._request(exchange, served)
        if isinstance(sized, Failure):
            return _after_failure(exchange, sized)
        exchange = exchange.with_note(sized.note)
        answer = await self._ask(sized, served, sending.begin(sized.request, served.info))
        if isinstance(answer, Failure):
            return _after_failure(exchange, answer)
        checked = self._checked(answer, sized.request, exchange)
        exchange = exchange.noted(_attempt(exchange, checked, answer))
        if isinstance(checked, Accepted):
            sending.finish(checked, answer)
            return self._reply(checked, answer, exchange)
        following = after_finding(exchange, checked, answer)
        return _no_reply(following, exchange) if isinstance(following, Failure) else following

    async def _request(self, exchange: Exchange, served: ServedTier) -> _Sized | Failure:
        """Return the next request with as many tokens for the answer as fit, or why none do.

        By an estimate nothing is refused: where one says that it is tight, the server counts.
        """
        tier, wanted = served.tier, exchange.asked.max_tokens
        room = tier.window_tokens - tier.reasoning_tokens
        least = min(wanted or tier.reserve_tokens, tier.reserve_tokens)
        request = request_of(exchange, max_tokens=least)
        size, note = _prompt_bytes(request), ""
        left = room - estimated(served.tokens_per_byte, size)
        if left < least:
            count = await self._counted(request, served)
            if self._folds and isinstance(count, TokenCount) and room - count.tokens < least:
                if count.is_exact:
                    served.tokens_per_byte = updated_rate(served.tokens_per_byte, size, count.tokens)
                request, note = _folded(request, served, room_tokens=room - least)
                size, count = _prompt_bytes(request), await self._counted(request, served)
            if isinstance(count, Failure):
                return count
            left = room - count.tokens
            if count.is_exact and left < least:
                return _too_large(request, count.tokens, tier.window_tokens)
        request = replace(request, max_tokens=max(least, min(wanted or left, left)))
        return _Sized(request, size, note)

    async def _ask(self, sized: _Sized, served: ServedTier, on_text: OnText | None) -> ModelAnswer | Failure:
        name = f"tier {served.tier.name}"
        resting = self._breakers.refusal(name, fault=Fault.BACKEND, now_s=self._clock.now_s())
        if (
            resting is not None
        ):  # not throttled: a client that waits and asks again would only hide it from its user
            return replace(resting, kind=FailureKind.TRANSIENT)
        try:
            answer = await served.backend.answer(sized.request, on_text)
        except BackendError as error:
            self._breakers.saw(name, error.failure, now_s=self._clock.now_s())
            return self._told(error)
        self._breakers.saw(name, None, now_s=self._clock.now_s())
        if sized.size_bytes >= LEAST_RATED_BYTES:
            tokens = answer.usage.prompt_tokens
            served.tokens_per_byte = updated_rate(served.tokens_per_byte, sized.size_bytes, tokens)
        return answer

    async def _counted(self, request: ModelRequest, served: ServedTier) -> TokenCount | Failure:
        try:
            return await served.backend.count(request)
        except BackendError as error:
            return self._told(error)

    def _told(self, error: BackendError) -> Failure:
        """Return a failure as a client is told it: without what is secret here."""
        failure = error.failure
        return replace(
            failure, what=self._secrets.hide(failure.what), value=self._secrets.hide(failure.value)
        )

    def _checked(self, answer: ModelAnswer, request: ModelRequest, exchange: Exchange) -> Accepted | Finding:
        asked = exchange.asked
        shown = "\n".join(message.content for message in request.messages if message.role != "assistant")
        is_capped_by_us = not asked.max_tokens or request.max_tokens < asked.max_tokens
        checked = check(answer, asked, shown=shown, is_capped_by_us=is_capped_by_us)
        if isinstance(checked, Finding) or not checked.calls:
            return checked
        return self._guard.finding(checked.calls, asked, tier=exchange.tier.name) or checked

    def _reply(self, accepted: Accepted, answer: ModelAnswer, exchange: Exchange) -> Reply:
        account = replace(exchange.account, notes=(*exchange.account.notes, *accepted.notes))
        return Reply(
            tier=exchange.tier.name,
            text=accepted.text,
            reasoning=answer.reasoning,
            calls=tuple(replace(call, call_id=self._new_id()) for call in accepted.calls),
            finish=accepted.finish,
            stop=accepted.stop,
            account=account,
        )

    async def close(self) -> None:
        """Close every backend."""
        await asyncio.gather(*(served.backend.close() for served in self.tiers.values()))


def _folded(request: ModelRequest, served: ServedTier, *, room_tokens: int) -> tuple[ModelRequest, str]:
    """Return `request` with a history that fits, if its instructions and tools do, and how it was folded."""
    room = room_bytes(served.tokens_per_byte, room_tokens) - tools_bytes(request.tools)
    folded = fold_history(request.messages, room_bytes=max(0, room))
    return replace(request, messages=folded.messages), folded.note


def _prompt_bytes(request: ModelRequest) -> int:
    size = tools_bytes(request.tools)
    for message in request.messages:
        size += len(message.content) if message.content.isascii() else len(message.content.encode())
        size += sum(len(call.arguments) for call in message.calls)
    return size


def _attempt(exchange: Exchange, checked: Accepted | Finding, answer: ModelAnswer) -> Attempt:
    return Attempt(
        tier=exchange.tier.name,
        model=answer.model,
        result="accepted" if isinstance(checked, Accepted) else checked.kind.value,
        why="" if isinstance(checked, Accepted) else checked.sentence(),
        usage=answer.usage,
    )


def _after_failure(exchange: Exchange, failure: Failure) -> Exchange | NoReply:
    attempt = Attempt(tier=exchange.tier.name, result=failure.kind.value, why=failure.what)
    exchange = exchange.noted(attempt)
    following = after_failure(exchange, failure)
    if isinstance(following, Failure):
        return _no_reply(following, exchange)
    return following


def _no_reply(failure: Failure, exchange: Exchange) -> NoReply:
    return NoReply(failure=failure, account=exchange.account)


def _too_large(request: ModelRequest, tokens: int, window_tokens: int) -> Failure:
    return Failure(
        kind=FailureKind.PROMPT_TOO_LARGE,
        fault=Fault.BUDGET,
        what=too_large(request, tokens=tokens, window_tokens=window_tokens),
        value=f"{tokens} tokens > {window_tokens}",
        fix="send less, offer fewer tools, or serve the model with a larger window",
    )
