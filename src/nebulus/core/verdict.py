"""The guard's verdicts on a call."""

from typing import TypeAlias

from msgspec import Struct


class Allow(Struct, frozen=True, tag=True, omit_defaults=True):
    """The call may run; `rule` names the rule that decided."""

    rule: str


class Refuse(Struct, frozen=True, tag=True, omit_defaults=True):
    """The call must not run. `reason` is for the person and the model."""

    rule: str
    reason: str


class Ask(Struct, frozen=True, tag=True, omit_defaults=True):
    """A person must decide; silence is not consent."""

    rule: str
    reason: str


Verdict: TypeAlias = Allow | Refuse | Ask
