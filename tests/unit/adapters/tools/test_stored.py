"""The tool that looks inside stored results: by handle alone, bounded, with errors that a model can mend."""

from nebulus.adapters.stores.memory import MemoryStore
from nebulus.adapters.tools.stored import looking_tool
from nebulus.core.failure import Failure, FailureKind
from nebulus.core.tools import Effect
from nebulus.ports.tool import ToolOutput

TEXT = "\n".join(f"row {n}" for n in range(300))


async def test_it_reads_what_the_address_holds() -> None:
    store = MemoryStore()
    tool = looking_tool(store)
    output = await tool.run({"handle": store.put(TEXT), "find": "row 29", "line_count": 2}, "k")
    assert isinstance(output, ToolOutput)
    assert output.text == "line 30: row 29\nline 291: row 290\n(2 of 11 matching lines, of 300 lines)"


async def test_an_unknown_handle_and_a_place_that_is_not_there_are_failures_with_a_way_out() -> None:
    store = MemoryStore()
    tool = looking_tool(store)
    unknown = await tool.run({"handle": "c99"}, "k")
    assert isinstance(unknown, Failure)
    assert (unknown.kind, unknown.value) == (FailureKind.NOT_FOUND, "c99")
    missing = await tool.run({"handle": store.put(TEXT), "json_path": "a.b"}, "k")
    assert isinstance(missing, Failure)
    assert missing.kind is FailureKind.INVALID_ARGUMENTS


def test_it_only_reads_and_names_the_argument_that_is_a_handle() -> None:
    spec = looking_tool(MemoryStore()).spec
    assert (spec.effect, spec.handles, spec.is_untrusted) == (Effect.READ, ("handle",), False)
