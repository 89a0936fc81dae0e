"""A scene to test rules in: one tool of each kind."""

from typing import Any

from nebulus.adapters.policies.cedar import CedarPolicy
from nebulus.adapters.policies.files import parse_rules
from nebulus.adapters.policies.sources import PolicyText
from nebulus.core.context import Context, Label, RunUsage
from nebulus.core.findings import Call
from nebulus.core.provenance import USER, Origin, Provenance
from nebulus.core.tools import Effect, ToolSpec
from nebulus.core.verdict import Verdict
from nebulus.guard.check import Scene

STRING = {"type": "string"}


def parameters(*optional: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object whose `properties` are all required but the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


READ = ToolSpec(
    name="read_file",
    parameters=parameters(path=STRING),
    paths=("path",),
    effect=Effect.READ,
    is_untrusted=True,
)
LIST = ToolSpec(
    name="list_files",
    parameters=parameters("path", path={**STRING, "default": "."}),
    paths=("path",),
    effect=Effect.READ,
)
WRITE = ToolSpec(
    name="write_file",
    parameters=parameters(path=STRING, content=STRING),
    paths=("path",),
    effect=Effect.WRITE,
)
MOVE = ToolSpec(
    name="move_file",
    parameters=parameters(source=STRING, target=STRING),
    paths=("source", "target"),
    effect=Effect.WRITE,
)
DELETE = ToolSpec(
    name="delete_file", parameters=parameters(path=STRING), paths=("path",), effect=Effect.IRREVERSIBLE
)
PAY = ToolSpec(
    name="pay",
    parameters=parameters(
        "note",
        to=STRING,
        amount={"type": "number"},
        currency={"enum": ["EUR", "USD"], "type": "string"},
        note=STRING,
    ),
    effect=Effect.IRREVERSIBLE,
)
FETCH = ToolSpec(name="fetch", parameters=parameters(url=STRING), hosts=("url",), effect=Effect.EGRESS)
MAIL = ToolSpec(
    name="send_mail",
    parameters=parameters(to={"type": "array", "items": STRING}, body=STRING),
    hosts=("to",),
    effect=Effect.EGRESS,
)
SPECS = (READ, LIST, WRITE, MOVE, DELETE, PAY, FETCH, MAIL)
SCENE = Scene(specs=SPECS, agents=("agent", "small", "large"))
BY_NAME = {spec.name: spec for spec in SPECS}

ALLOW_ALL = """
[[policy]]
name = "all"
effect = ["read", "write", "irreversible", "egress"]
then = "allow"
"""
FOREIGN = Provenance((Origin("tool", "read_file", "c3"),))


def policy(text: str, *cedar: str, protected: tuple[str, ...] = ()) -> CedarPolicy:
    """Return the policy in `text`, which is TOML, with further policies in Cedar."""
    files = tuple((f"extra{index}.cedar", source) for index, source in enumerate(cedar))
    return CedarPolicy(
        PolicyText(file=parse_rules(text, source="policy.toml"), cedar=files, protected=protected), SCENE
    )


def judged(decider: CedarPolicy, tool: str, context: Context | None = None, **arguments: Any) -> Verdict:
    """Return the verdict on one call; without a context nothing was read before."""
    return decider.judge(Call(tool, arguments), BY_NAME[tool], context or Context())


def after(
    *, tainted: bool = False, planned: bool = True, usage: RunUsage | None = None, **labels: str
) -> Context:
    """Return a context; each label is `user`, or the foreign value that appears in nothing trusted."""
    return Context(
        is_tainted=tainted,
        is_planned=planned,
        usage=usage or RunUsage(),
        labels=tuple(
            Label(name, USER, is_endorsed=True) if value == "user" else Label(name, FOREIGN, value=value)
            for name, value in labels.items()
        ),
    )
