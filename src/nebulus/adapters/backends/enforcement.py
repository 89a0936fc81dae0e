"""The form of an answer, enforced.

Invariant: where the server promised to constrain the model to a form, anything else is a failure of the server,
not of the model. Where it promised nothing, what the model wrote goes on to the parser, which may still find a
call in it; but a call of another tool than the one named, and text that is not JSON of the shape, are failures.
"""

from typing import Any

from msgspec.structs import replace

from nebulus.adapters.backends.forms import PLAIN, CallStyle, ignored, read_call, shape_failure
from nebulus.core.answers import FinishReason, FreeForm, ModelAnswer, ModelRequest, OneCall, Shape
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure


def enforce_form(
    answer: ModelAnswer,
    request: ModelRequest,
    *,
    is_promised: bool,
    style: CallStyle = PLAIN,
    sent: dict[str, Any] | None = None,
) -> ModelAnswer:
    """Return `answer` in its form. One that was cut or filtered is returned as it is: it is never used.

    `is_promised`: the server constrains calls. `sent` is the schema that it got for a shape.

    Raises:
        BackendError: the form was ignored.
    """
    if answer.finish in (FinishReason.LENGTH, FinishReason.FILTER):
        return answer
    match request.form:
        case OneCall() as form if answer.calls:
            _raise(_wrong_name(answer, request, form, is_promised=is_promised))
            return replace(answer, is_constrained=is_promised)
        case OneCall() as form if is_promised:
            call = read_call(answer.text, request.tools, form, style=style)
            if isinstance(call, Failure):
                raise BackendError(call)
            return replace(answer, text="", calls=(call,), finish=FinishReason.CALLS, is_constrained=True)
        case Shape(schema):
            _raise(shape_failure(answer.text, schema if sent is None else sent))
        case OneCall() | FreeForm():
            pass
    return answer


def _wrong_name(
    answer: ModelAnswer, request: ModelRequest, form: OneCall, *, is_promised: bool
) -> Failure | None:
    offered = {tool.name for tool in request.tools}
    allowed = {name for name in offered if form.allows(name)}
    for call in answer.calls:
        if call.name not in allowed and (is_promised or call.name in offered):
            return ignored(f"a call of {' or '.join(sorted(allowed))}", call.name)
    return None


def _raise(failure: Failure | None) -> None:
    if failure is not None:
        raise BackendError(failure)
