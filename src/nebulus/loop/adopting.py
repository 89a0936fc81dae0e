"""A run taken up with another setup: other tiers, tools, limits or a larger budget.

Laws: what happened is replayed under the setup that it happened with; the new one holds from its record on.
What was done counts, also where its record was cut to begin a step anew.
"""

import msgspec
from msgspec.structs import replace

from nebulus.core.context import Conduct
from nebulus.core.errors import ConfigError
from nebulus.core.events import SetupChanged
from nebulus.loop.progress import Machine, Phase, Setup
from nebulus.loop.trying import ask

_ASKING = frozenset({Phase.PLANNING, Phase.ASKING, Phase.READING, Phase.WAITING})
"""Phases in which a question is wanted, or waited for: it is put anew, to the smallest tier."""
_CALLING = frozenset({Phase.JUDGING, Phase.APPROVING, Phase.INTENDING, Phase.RUNNING, Phase.RECONCILING})
"""Phases in which a call is under way."""


def on_setup_changed(machine: Machine, event: SetupChanged) -> Machine:
    """Go on with the new setup.

    Raises:
        ConfigError: the new setup lacks a tool that a call under way needs.
    """
    setup = msgspec.convert(event.setup, Setup)
    under_way = (machine.call, *machine.queue) if machine.phase in _CALLING else machine.queue
    offered = {tool.name for tool in setup.tools}
    for call in under_way:
        if call.tool not in offered:
            raise ConfigError(
                f"a call of {call.tool!r} is under way, and the changed setup has no such tool; "
                "resume with it, or rewind the step"
            )
    conduct = msgspec.convert(event.conduct, Conduct) if event.conduct else machine.conduct
    changed = replace(machine, setup=setup, conduct=conduct, spent=event.spent or machine.spent)
    if machine.phase in _ASKING:
        extraction = replace(changed.extraction, rung=0) if changed.extraction is not None else None
        return ask(replace(changed, held=None, extraction=extraction).with_tries(rung=0))
    return changed
