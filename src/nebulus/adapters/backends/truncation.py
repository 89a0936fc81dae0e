"""What a server does without saying so, found out from its own figures.

Invariants: pure. With an exact count one missing token is enough; with an estimate only its floor counts, which
no text reaches (8 characters a token, white space not counted). A completion at its cap is cut, whatever the
server says.
"""

from msgspec.structs import replace

from nebulus.adapters.backends.estimate import floor_of_messages, floor_of_tools
from nebulus.adapters.backends.faults import failure
from nebulus.core.answers import FinishReason, ModelAnswer, ModelRequest
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure, FailureKind
from nebulus.ports.backend import TokenCount


def check_truncation(
    answer: ModelAnswer, request: ModelRequest, counted: TokenCount | None = None
) -> ModelAnswer:
    """Return `answer` with its true finish.

    Raises:
        BackendError: the prompt was cut, or the tools did not reach it.
    """
    lost = lost_input(answer.usage.prompt_tokens, request, counted)
    if lost is not None:
        raise BackendError(lost)
    if answer.usage.completion_tokens >= request.most_tokens and answer.finish is not FinishReason.LENGTH:
        return replace(answer, finish=FinishReason.LENGTH)
    return answer


def lost_input(evaluated: int, request: ModelRequest, counted: TokenCount | None = None) -> Failure | None:
    """Return the failure that `evaluated` prompt tokens prove; None if none, or if none were reported."""
    if not evaluated:
        return None
    if counted is not None and counted.is_exact:
        return _cut(evaluated, f"{counted.tokens} sent") if evaluated < counted.tokens else None
    messages, tools = floor_of_messages(request), floor_of_tools(request)
    if evaluated < messages:
        return _cut(evaluated, f"at least {messages} sent")
    if tools and evaluated < messages + tools:
        return tools_dropped(f"{evaluated} prompt tokens, the tools alone need {tools}")
    return None


def tools_dropped(value: str) -> Failure:
    """Return the failure of tools that never reached the prompt."""
    return failure(
        FailureKind.TOOLS_DROPPED,
        "the tools did not reach the prompt",
        value=value,
        fix='set tool_form = "signatures", or use a model whose chat template takes tools',
    )


def _cut(evaluated: int, sent: str) -> Failure:
    return failure(
        FailureKind.PROMPT_CUT,
        "the server cut the prompt",
        value=f"{evaluated} tokens evaluated, {sent}",
        fix="send less, or give the server a larger window",
    )
