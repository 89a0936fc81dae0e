"""A call in every way in which families of models write calls: as the server's own, or in the text.

Source: the fixtures and the modules of `nebulus.calls.dialects`, which name each family's own documents.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from nebulus.core.answers import FinishReason, ModelAnswer, RawCall
from nebulus.core.findings import Call

Spell: TypeAlias = Callable[[Call], str]
STRUCTURED = "structured"


def answered(calls: Sequence[Call], family: str) -> ModelAnswer:
    """Return the answer that is these calls, as `family` writes them."""
    if family == STRUCTURED:
        raw = tuple(RawCall(call.tool, _json(call.arguments)) for call in calls)
        return ModelAnswer(calls=raw, finish=FinishReason.CALLS)
    return ModelAnswer(text="\n".join(FAMILIES[family](call) for call in calls))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _object(call: Call, key: str = "arguments") -> str:
    return _json({"name": call.tool, key: call.arguments})


def _python(call: Call) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in call.arguments.items())
    return f"{call.tool}({given})"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _gemma(call: Call) -> str:
    def said(value: Any) -> str:
        return f'<|"|>{value}<|"|>' if isinstance(value, str) else _json(value)

    given = ",".join(f"{name}:{said(value)}" for name, value in call.arguments.items())
    return f"<|tool_call>call:{call.tool}{{{given}}}<tool_call|>"


def _elements(call: Call, *, opener: str, each: str, closer: str) -> str:
    given = "".join(
        each.format(
            key=key, value=_plain(value), is_text=str(isinstance(value, str)).lower(), kind=_kind(value)
        )
        for key, value in call.arguments.items()
    )
    return f"{opener.format(name=call.tool)}{given}{closer}"


def _kind(value: Any) -> str:
    return "string" if isinstance(value, str) else "number"


def _qwen_xml(call: Call) -> str:
    return _elements(
        call,
        opener="<tool_call>\n<function={name}>\n",
        each="<parameter={key}>\n{value}\n</parameter>\n",
        closer="</function>\n</tool_call>",
    )


def _invoke(call: Call) -> str:
    return _elements(
        call,
        opener='<function_calls>\n<invoke name="{name}">\n',
        each='<parameter name="{key}">{value}</parameter>\n',
        closer="</invoke>\n</function_calls>",
    )


def _dsml(call: Call) -> str:
    return _elements(
        call,
        opener='<｜DSML｜function_calls>\n<｜DSML｜invoke name="{name}">\n',
        each='<｜DSML｜parameter name="{key}" string="{is_text}">{value}</｜DSML｜parameter>\n',
        closer="</｜DSML｜invoke>\n</｜DSML｜function_calls>",
    )


def _glm(call: Call) -> str:
    return _elements(
        call,
        opener="<tool_call>{name}\n",
        each="<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n",
        closer="</tool_call>",
    )


def _kimi_elements(call: Call) -> str:
    return _elements(
        call,
        opener='<|open|>tools<|sep|><|open|>call tool="{name}" index="1"<|sep|>',
        each='<|open|>argument key="{key}" type="{kind}"<|sep|>{value}<|close|>argument<|sep|>',
        closer="<|close|>call<|sep|><|close|>tools<|sep|>",
    )


FAMILIES: Mapping[str, Spell] = MappingProxyType(
    {
        "json": _object,
        "fenced": lambda call: f"```json\n{_object(call)}\n```",
        "hermes": lambda call: f"<tool_call>\n{_object(call)}\n</tool_call>",
        "qwen_xml": _qwen_xml,
        "invoke": _invoke,
        "dsml": _dsml,
        "glm": _glm,
        "llama": lambda call: f"<|python_tag|>{_object(call, 'parameters')}<|eom_id|>",
        "llama function": lambda call: f"<function={call.tool}>{_json(call.arguments)}</function>",
        "llama python": lambda call: f"<|python_start|>[{_python(call)}]<|python_end|>",
        "python": lambda call: f"[{_python(call)}]",
        "mistral": lambda call: f"[TOOL_CALLS][{_object(call)}]",
        "mistral named": lambda call: f"[TOOL_CALLS]{call.tool}[ARGS]{_json(call.arguments)}",
        "mistral bare": lambda call: f"{call.tool}[ARGS]{_json(call.arguments)}",
        "deepseek": lambda call: (
            f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>{call.tool}<｜tool▁sep｜>{_json(call.arguments)}"
            "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        "kimi": lambda call: (
            f"<|tool_calls_section_begin|><|tool_call_begin|>functions.{call.tool}:0"
            f"<|tool_call_argument_begin|>{_json(call.arguments)}<|tool_call_end|><|tool_calls_section_end|>"
        ),
        "kimi bare": lambda call: (
            f"functions.{call.tool}:0<|tool_call_argument_begin|>{_json(call.arguments)}<|tool_call_end|>"
        ),
        "kimi elements": _kimi_elements,
        "harmony": lambda call: (
            f"<|start|>assistant<|channel|>commentary to=functions.{call.tool} <|constrain|>json"
            f"<|message|>{_json(call.arguments)}<|call|>"
        ),
        "harmony bare": lambda call: (
            f"commentary to=functions.{call.tool} <|constrain|>json<|message|>{_json(call.arguments)}"
        ),
        "gemma": _gemma,
        "tool_code": lambda call: f"```tool_code\nprint({_python(call)})\n```",
        "granite": lambda call: f"<|tool_call|>[{_object(call)}]<|/tool_call|>",
        "phi": lambda call: f"functools[{_object(call)}]",
        "nemotron": lambda call: f"<TOOLCALL>[{_object(call)}]</TOOLCALL>",
        "internlm": lambda call: f"<|action_start|><|plugin|>\n{_object(call, 'parameters')}\n<|action_end|>",
        "command": lambda call: f"<|START_ACTION|>[{_object(call)}]<|END_ACTION|>",
        "apertus": lambda call: f"<|tools_prefix|>[{_json({call.tool: call.arguments})}]<|tools_suffix|>",
    }
)
EVERY = (STRUCTURED, *FAMILIES)
