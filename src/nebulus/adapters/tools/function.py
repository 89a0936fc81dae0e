"""Functions as tools.

Invariants: a tool says what it does to the world, and one that does not say is taken for the worst that can
happen inside: irreversible; a definition that can't work is refused when it is made.
"""

import asyncio
import functools
import inspect
import logging
import re
from collections.abc import Callable
from typing import Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, Unpack, overload

from nebulus.adapters.tools.docstrings import summary
from nebulus.adapters.tools.parameters import Parameters, parameters_of
from nebulus.adapters.tools.results import failure_of, output_of
from nebulus.core.errors import ToolDefinitionError, ToolError
from nebulus.core.failure import Failure
from nebulus.core.references import takes_no_object
from nebulus.core.text import message_of
from nebulus.core.tools import Effect, SandboxLevel, ToolSpec
from nebulus.ports.tool import ToolOutput

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("nebulus.tools")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""Source: the function names that the OpenAI chat completions API takes; other servers are laxer."""


class ToolOptions(TypedDict, total=False):
    """What a function can't say by its signature; the words are those of `ToolSpec`.

    `effect` is irreversible unless given: an `Effect` or its word. `check` is given the arguments that it names, and tells
    whether the call took effect (True, False, or None if it can't tell). `reads` says what must be read out of the
    text that it returns: `{"weight": "what the parcel weighs"}`.
    """

    name: str
    effect: Effect | Literal["read", "write", "irreversible", "egress"]
    timeout_s: float
    idempotent: bool
    untrusted: bool
    paths: tuple[str, ...]
    replaces: tuple[str, ...]
    references: tuple[str, ...]
    hosts: tuple[str, ...]
    consequential: tuple[str, ...]
    returns: dict[str, Any]
    grounded: tuple[str, ...]
    reads: dict[str, str]
    facts: tuple[str, ...]
    handles: tuple[str, ...]
    least_sandbox: SandboxLevel
    check: Callable[..., Any] | None


class FunctionTool(Generic[P, R]):
    """A function as a tool; called directly, it is the function.

    A function that is not async runs in a thread. A thread can't be stopped: when the runtime's patience
    ends, its outcome is unknown.
    """

    def __init__(
        self, function: Callable[P, R], spec: ToolSpec, check: Callable[..., Any] | None = None
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._spec = spec
        self._parameters = parameters_of(function)
        self._check = check
        self._check_parameters = _parameters_of_check(check, self._parameters) if check else Parameters(())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self._function(*args, **kwargs)

    @property
    def spec(self) -> ToolSpec:
        """What the runtime knows of it."""
        return self._spec

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Call the function with JSON arguments. What it raises comes back as a failure or is raised.

        Raises:
            Exception: the function's own, when the call may have taken effect.
        """
        try:
            values = self._parameters.values(arguments, key)
        except ToolError as error:
            return error.failure
        try:
            returned = await _called(self._function, values)
            return output_of(returned, is_trusted=not self._spec.is_untrusted)
        except Exception as error:
            failure = failure_of(error, self._spec)
            if failure is None:
                raise
            return failure

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Ask the tool's check; None if there is none, or if it can't tell."""
        if self._check is None:
            return None
        known = {name: value for name, value in arguments.items() if name in self._check_parameters.names}
        try:
            answer = await _called(self._check, self._check_parameters.values(known, key))
        except Exception as error:  # noqa: BLE001  # The check's code ends here; a check that broke can't tell.
            _log.warning(
                "check of tool %r raised %s: %s", self._spec.name, type(error).__name__, message_of(error)
            )
            return None
        return answer if isinstance(answer, bool) else None


@overload
def tool(function: Callable[P, R], /) -> FunctionTool[P, R]: ...
@overload
def tool(**options: Unpack[ToolOptions]) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
    """Make a tool of a typed function: `@tool`, or `@tool(effect="read", ...)`.

    The schema comes from the annotations, what the model reads from the docstring's first paragraph, and
    its parameters from `Annotated[..., "words"]` or the docstring's `Args:`. A parameter of type
    `IdempotencyKey` is handed the key and not shown. Without `effect`, a tool counts as irreversible:
    nobody said that it can be undone.

    Raises:
        ToolDefinitionError: the function can't be a tool; the message names the place and the fix.
    """
    if function is not None:
        return _made(function, options)
    return functools.partial(_made, options=options)


def _made(function: Callable[P, R], options: ToolOptions) -> FunctionTool[P, R]:
    name = str(options.get("name") or getattr(function, "__name__", ""))
    if not _NAME.fullmatch(name):
        raise ToolDefinitionError(
            f"{name!r} can't be the name of a tool; give name= up to 64 letters, digits, _ and -, not a digit first"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolDefinitionError(f"tool {name!r} yields; return all of it at once")
    described = summary(function.__doc__ or "")
    if not described:
        raise ToolDefinitionError(
            f"tool {name!r} has no docstring; say in a line what it does, for the model"
        )
    timeout_s = options.get("timeout_s", 60.0)
    if not timeout_s > 0:
        raise ToolDefinitionError(f"tool {name!r} has timeout_s={timeout_s!r}; give seconds above 0")
    parameters = parameters_of(function)
    check = options.get("check")
    spec = ToolSpec(
        name=name,
        description=described,
        parameters=parameters.schema(),
        effect=_effect(options.get("effect", Effect.IRREVERSIBLE), name),
        is_effect_assumed="effect" not in options,
        is_idempotent=options.get("idempotent", False),
        has_check=check is not None,
        is_untrusted=options.get("untrusted", False),
        timeout_s=timeout_s,
        paths=_known(options.get("paths", ()), parameters, f"tool {name!r}, paths"),
        replaces=_known(options.get("replaces", ()), parameters, f"tool {name!r}, replaces"),
        references=_known(options.get("references", ()), parameters, f"tool {name!r}, references"),
        hosts=_known(options.get("hosts", ()), parameters, f"tool {name!r}, hosts"),
        consequential=_known(options.get("consequential", ()), parameters, f"tool {name!r}, consequential"),
        returns=options.get("returns", {}),
        grounded=_known(options.get("grounded", ()), parameters, f"tool {name!r}, grounded"),
        facts=tuple(options.get("facts", ())),
        reads=_readable(options.get("reads", {}), name),
        handles=_known(options.get("handles", ()), parameters, f"tool {name!r}, handles"),
        least_sandbox=options.get("least_sandbox", SandboxLevel.NONE),
    )
    _require_texts(spec)
    _require_referable(spec)
    return FunctionTool(function, spec, check)


def _effect(word: str, name: str) -> Effect:
    try:
        return Effect(word)
    except ValueError:
        words = ", ".join(effect.value for effect in Effect)
        raise ToolDefinitionError(f"tool {name!r} has effect={word!r}; give one of {words}") from None


def _known(names: tuple[str, ...] | str, parameters: Parameters, where: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ToolDefinitionError(f"{where}={names!r} is one string; write ({names!r},)")
    unknown = sorted(set(names) - parameters.names)
    if unknown:
        raise ToolDefinitionError(f"{where} names {unknown[0]!r}; parameters are {sorted(parameters.names)}")
    return tuple(names)


def _readable(reads: dict[str, str] | tuple[str, ...] | str, name: str) -> dict[str, str]:
    if not isinstance(reads, dict):
        raise ToolDefinitionError(
            f"tool {name!r}, reads={reads!r}: say what each value is, as {{name: meaning}}"
        )
    for value in reads:
        if not value.isidentifier():
            raise ToolDefinitionError(
                f"tool {name!r}, reads: {value!r} can't be a name; use letters, digits and _"
            )
    return dict(reads)


def _require_texts(spec: ToolSpec) -> None:
    for name in spec.paths:
        kind = spec.parameters["properties"][name].get("type")
        if kind != "string":
            raise ToolDefinitionError(f"tool {spec.name!r}, paths: {name!r} is {kind}; a path is a str")


def _require_referable(spec: ToolSpec) -> None:
    """Refuse to declare as a reference what has a meaning of its own: a path, a handle, an object.

    Raises:
        ToolDefinitionError: an argument can't be a reference.
    """
    for name in spec.references:
        if name in (*spec.paths, *spec.handles):
            raise ToolDefinitionError(
                f"tool {spec.name!r}, references: {name!r} is a path or a handle; a reference stands for a long text"
            )
        if not takes_no_object(spec.parameters["properties"][name]):
            raise ToolDefinitionError(
                f"tool {spec.name!r}, references: {name!r} takes objects, and a reference is one; make it a str"
            )


def _parameters_of_check(check: Callable[..., Any], parameters: Parameters) -> Parameters:
    taken = parameters_of(check)
    unknown = sorted(taken.names - parameters.names)
    if unknown:
        raise ToolDefinitionError(
            f"check {getattr(check, '__name__', check)!r} takes {unknown[0]!r}, which the tool is not given; "
            f"name any of {sorted(parameters.names)}"
        )
    return taken


async def _called(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**values)
    returned = await asyncio.to_thread(function, **values)
    return await returned if inspect.isawaitable(returned) else returned
