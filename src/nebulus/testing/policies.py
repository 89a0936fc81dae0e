"""A policy whose verdicts come from a script."""

from collections.abc import Mapping

from nebulus.core.context import Context
from nebulus.core.digest import short_digest
from nebulus.core.findings import Call
from nebulus.core.tools import ToolSpec
from nebulus.core.verdict import Allow, Refuse, Verdict


class ScriptedPolicy:
    """Gives the verdict that is set for a tool, `otherwise` for any other; `judged` lists what it judged."""

    def __init__(
        self, verdicts: Mapping[str, Verdict] | None = None, *, otherwise: Verdict | None = None
    ) -> None:
        self._verdicts = dict(verdicts or {})
        self._otherwise = otherwise or Allow("script")
        self.judged: list[tuple[Call, Context]] = []

    @property
    def digest(self) -> str:
        """The digest of the script."""
        return short_digest((sorted(self._verdicts.items()), self._otherwise))

    def judge(self, call: Call, spec: ToolSpec, context: Context) -> Verdict:
        """Return the verdict; a call of another tool than `spec` is refused."""
        self.judged.append((call, context))
        if call.tool != spec.name:
            return Refuse("script", f"{call.tool!r} is not the tool that was judged")
        return self._verdicts.get(call.tool, self._otherwise)
