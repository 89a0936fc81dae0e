"""Backends for tries of one goal: one asks for other samples in each try, one repeats the answers of a try.

Invariant: a recorded answer is given only to the question that it answered.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.answers import ModelAnswer, ModelRequest, Usage
from nebulus.core.digest import short_digest
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.ports.backend import BackendInfo, ModelBackend, OnText, TokenCount

TEMPERATURE = 0.7
"""The least temperature of every try but the first, which asks as a run without votes does."""
_SEEDS_APART = 1000
_DIGIT = re.compile(r"\d")
OTHER_TURN = Failure(
    kind=FailureKind.DISAGREEMENT,
    fault=Fault.CONTRACT,
    what="something happened here that did not happen in the tries, so their answers don't fit",
    fix="look at what differs (a refusal, a file that was changed), and begin the goal again",
)


class Heard(Struct, frozen=True):
    """An answer, with the digest of the question."""

    asked: str
    answer: ModelAnswer


class _Shared:
    """A backend that is open elsewhere, and stays so."""

    def __init__(self, inner: ModelBackend) -> None:
        self._inner = inner

    async def describe(self) -> BackendInfo:
        """As the inner one."""
        return await self._inner.describe()

    async def count(self, request: ModelRequest) -> TokenCount:
        """As the inner one."""
        return await self._inner.count(request)

    async def close(self) -> None:
        """Leave the inner one open."""


class SampledBackend(_Shared):
    """Asks the inner backend in a try, and appends what it hears to `heard`.

    `sample` is the number of the try, from 0; from 1 on, the samples differ. `root` is the path of the workspace.
    """

    def __init__(
        self, inner: ModelBackend, *, tier: str, sample: int, heard: list[Heard], root: str = ""
    ) -> None:
        super().__init__(inner)
        self._tier, self._root = tier, root
        self._sample, self._heard = sample, heard

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Answer with the sample of this try. Raises: as the inner one."""
        varied = request
        if self._sample:
            varied = replace(
                request,
                temperature=max(request.temperature, TEMPERATURE),
                seed=request.seed + _SEEDS_APART * self._sample,
            )
        answer = await self._inner.answer(varied, on_text)
        self._heard.append(Heard(asked_of(self._tier, request, self._root), answer))
        return answer


class RecordedBackend(_Shared):
    """Repeats the answers of a try, and asks no model. `otherwise` is raised where none of them fits.

    `root` is the path of the workspace.
    """

    def __init__(
        self,
        inner: ModelBackend,
        *,
        tier: str,
        heard: Sequence[Heard],
        root: str = "",
        otherwise: Failure = OTHER_TURN,
    ) -> None:
        super().__init__(inner)
        self._tier, self._root = tier, root
        self._otherwise = otherwise
        self._answers: dict[str, list[ModelAnswer]] = defaultdict(list)
        for one in heard:
            self._answers[one.asked].append(one.answer)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Return what was answered to this question in the try.

        Raises:
            BackendError: nothing was.
        """
        answers = self._answers[asked_of(self._tier, request, self._root)]
        if not answers:
            raise BackendError(self._otherwise)
        return replace(answers.pop(0), usage=Usage())  # the try has paid for it


def asked_of(tier: str, request: ModelRequest, root: str = "") -> str:
    """Return the digest of a question, without what differs from try to try: digits (times, dates), and the `root`."""

    def shared(text: str) -> str:
        return _DIGIT.sub("0", text.replace(root, ".") if root else text)

    said = [
        (message.role, shared(message.content), message.calls, message.call_id)
        for message in request.messages
    ]
    return short_digest((tier, said, [spec.name for spec in request.tools], request.form, request.seed))
