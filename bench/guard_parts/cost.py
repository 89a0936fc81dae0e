"""What a verdict costs, compared with a floor measured in the same run: digesting the call itself."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from nebulus.adapters.policies.cedar import CedarPolicy
from nebulus.adapters.policies.files import parse_rules
from nebulus.adapters.policies.sources import PolicyText
from nebulus.core.context import Context, RunUsage
from nebulus.core.digest import digest
from nebulus.core.findings import Call
from nebulus.core.prompt import PromptSources, Source
from nebulus.core.provenance import USER
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.check import Scene
from nebulus.guard.defaults import DefaultPolicy
from nebulus.guard.labels import label_all

TEXT = {"type": "string"}


def measure(*, rounds: int = 2000) -> dict[str, Any]:
    """Return median microseconds: of a verdict by number of policies, of labelling, of the floor."""
    call = Call("write_file", {"path": "notes/a.txt", "content": "x" * 200})
    prompt = "Write the summary to notes/a.txt. " + "word " * 400
    shown = PromptSources(sources=(Source(prompt, USER),), is_tainted=True)
    [spec, *_] = tools()
    context = Context(labels=label_all(call, spec, shown), usage=RunUsage(by_tool={"write_file": 3}))
    found: dict[str, Any] = {"floor: SHA-256 of the call": _median(lambda: digest(call), rounds)}
    found["labels of the arguments"] = _median(lambda: label_all(call, spec, shown), rounds)
    default = DefaultPolicy()
    found["default policy"] = _median(lambda: default.judge(call, spec, context), rounds)
    for count in (5, 20, 40, 200):
        policy = policy_of(count)
        found[f"allowed, {len(policy.policies)} policies"] = _median(
            partial(policy.judge, call, spec, context), rounds
        )
    refused = Call("send", {"to": "x@evil.com", "body": "x"})
    policy, sender = policy_of(40), tools()[2]
    found[f"refused, {len(policy.policies)} policies"] = _median(
        lambda: policy.judge(refused, sender, Context()), rounds
    )
    return found


def tools() -> tuple[ToolSpec, ...]:
    """Return ten tools."""
    write = ToolSpec(
        name="write_file",
        parameters={
            "type": "object",
            "properties": {"path": TEXT, "content": TEXT},
            "required": ["path", "content"],
        },
        paths=("path",),
        effect=Effect.WRITE,
    )
    send = ToolSpec(
        name="send",
        parameters={"type": "object", "properties": {"to": TEXT, "body": TEXT}, "required": ["to", "body"]},
        hosts=("to",),
        effect=Effect.EGRESS,
    )
    reads = [
        ToolSpec(
            name=f"read_{index}",
            parameters={"type": "object", "properties": {"path": TEXT}, "required": ["path"]},
            paths=("path",),
        )
        for index in range(8)
    ]
    return (write, reads[0], send, *reads[1:])


def policy_of(count: int) -> CedarPolicy:
    """Return a policy of `count` rules of every kind, and the built-in ones."""
    kinds = (
        'effect = ["write", "read"]\npath = "notes/**"\nthen = "allow"',
        'path = "secret{0}/**"\nthen = "deny"\nreason = "r"',
        'effect = "egress"\nafter = "read"\ntimes = {0}\nthen = "deny"\nreason = "r"',
        'tool = "send"\nhost = "h{0}.example.com"\nthen = "allow"',
        'tool = "write_file"\npath = "draft{0}/*"\nthen = "ask"\nreason = "r"',
    )
    rules = "\n".join(
        f"[[policy]]\n{kinds[index % len(kinds)].format(index + 1)}\n" for index in range(count)
    )
    scene = Scene(specs=tools(), agents=("agent",))
    return CedarPolicy(PolicyText(file=parse_rules(rules, source="bench.toml")), scene)


def _median(act: Callable[[], Any], rounds: int) -> float:
    act()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1e6, 1)
