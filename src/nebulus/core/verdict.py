"""What the guard says of a call."""

from typing import TypeAlias

from msgspec import Struct


class Allow(Struct, frozen=True, tag=True, omit_defaults=True):
    """The call may be made; `rule` is the rule that decided."""

    rule: str


class Refuse(Struct, frozen=True, tag=True, omit_defaults=True):
    """The call must not be made. `reason` is for the person and the model."""

    rule: str
    reason: str


class Ask(Struct, frozen=True, tag=True, omit_defaults=True):
    """A person must decide; silence is not consent."""

    rule: str
    reason: str


Verdict: TypeAlias = Allow | Refuse | Ask
