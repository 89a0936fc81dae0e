"""Where the estimate leaves no room, the prompt is counted exactly before it is sent; nothing is ever cut."""

from msgspec.structs import replace

from nebulus.core.answers import Message, ModelRequest
from nebulus.core.commands import AskModel
from nebulus.core.config import RunConfig
from nebulus.core.events import ModelAnswered, ModelFailed
from nebulus.core.failure import FailureKind
from nebulus.core.prompt import Prompt
from nebulus.core.tiers import StepKind, Tier
from nebulus.loop.request import ComposedRequest
from nebulus.ports.backend import TokenCount
from nebulus.runtime.perform import ask_model
from tests.unit.runtime import worlds as w

CONFIG = RunConfig(tiers=(Tier(name="small", window_tokens=4096),))
ASK = AskModel(step=1, kind=StepKind.EXECUTE, tier="small")
COMPOSED = ComposedRequest(
    request=ModelRequest(messages=(Message("user", "Now: step 1. look a"),), max_tokens=100),
    prompt=Prompt(()),
    size_bytes=20,
    is_tight=True,
)


class CountedModel(w.LiteralModel):
    """Counts to order."""

    def __init__(self, tokens: int, *, is_exact: bool) -> None:
        super().__init__()
        self._count = TokenCount(tokens, is_exact)

    async def count(self, request: ModelRequest) -> TokenCount:
        return self._count


async def asked(model: CountedModel, composed: ComposedRequest = COMPOSED) -> ModelAnswered | ModelFailed:
    world = replace(w.world(w.tools()), backends={"small": model})
    return await ask_model(ASK, composed, world, config=CONFIG)


async def test_a_prompt_that_cannot_fit_is_a_typed_failure_and_is_not_sent() -> None:
    model = CountedModel(4000, is_exact=True)
    event = await asked(model)
    assert isinstance(event, ModelFailed)
    assert event.failure.kind is FailureKind.PROMPT_TOO_LARGE
    assert "4000 tokens and 100 for the answer, 4 more than the window of 4096" in event.failure.what
    assert model.requests == []


async def test_a_prompt_that_fits_or_was_only_estimated_is_sent() -> None:
    assert isinstance(await asked(CountedModel(3996, is_exact=True)), ModelAnswered)
    assert isinstance(await asked(CountedModel(9000, is_exact=False)), ModelAnswered)


async def test_with_room_enough_nothing_is_counted() -> None:
    event = await asked(CountedModel(9000, is_exact=True), replace(COMPOSED, is_tight=False))
    assert isinstance(event, ModelAnswered)
