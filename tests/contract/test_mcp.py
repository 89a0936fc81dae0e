"""MCP servers as tools: both eras, both transports, and servers that misbehave."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from nebulus.adapters.mcp.pins import PinStore
from nebulus.adapters.mcp.servers import look, servers
from nebulus.adapters.mcp.settings import McpServerSettings, McpToolSettings
from nebulus.core.errors import ConfigError, NebulusError
from nebulus.core.failure import Failure, FailureKind
from nebulus.core.tools import Effect
from nebulus.ports.tool import ToolOutput
from tests.contract.mcp_homes import (
    READS,
    HonestAtAPort,
    accept_all,
    honest,
    hostile,
    place_in,
    programs_of,
    tools_of,
)

ERAS = {"auto": "2026-07-28", "handshake": "2025-11-25"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with HonestAtAPort() as server:
        yield server.port


@pytest.fixture(params=[(way, era) for way in ("program", "address") for era in ERAS], ids="-".join)
def server(request: pytest.FixtureRequest) -> McpServerSettings:
    way, era = request.param
    port = request.getfixturevalue("port") if way == "address" else 0
    reads = dict.fromkeys(("add", "slow", "picture", "long", "fail"), READS)
    return honest(port=port, protocol=era, tools=reads)


# What every server is good for


async def test_a_call_returns_what_the_server_returned_as_text_from_outside(
    server: McpServerSettings, tmp_path: Path
) -> None:
    async with tools_of(server, tmp_path) as tools:
        output = await tools["one_add"].run({"a": 2, "b": 3}, "key")
    assert output == ToolOutput(text="5", fields={"result": 5}, is_trusted=False)
    assert tools["one_add"].spec.is_untrusted


async def test_both_eras_are_spoken(server: McpServerSettings, tmp_path: Path) -> None:
    found = await look("one", server, place_in(tmp_path), pins=PinStore(tmp_path / "state"))
    assert found.listed.protocol == ERAS[server.protocol]
    assert len(found.pairs) == 7
    assert not found.unusable


async def test_a_tool_says_how_far_it_is(server: McpServerSettings, tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    async with tools_of(server, tmp_path, on_progress=lambda *said: told.append(said)) as tools:
        await tools["one_slow"].run({"seconds": 0.1}, "key")
    assert told == [("one_slow", "1/3 begun")]


async def test_a_picture_is_stored_and_named(server: McpServerSettings, tmp_path: Path) -> None:
    stored: list[str] = []
    async with tools_of(server, tmp_path, stored=stored) as tools:
        output = await tools["one_picture"].run({}, "key")
    assert isinstance(output, ToolOutput)
    assert output.text == f"here\n[image of type image/png with 3,004 bytes, stored as artifact {'f' * 16}]"
    assert stored[0].startswith("data:image/png;base64,")


async def test_a_long_result_arrives_whole(server: McpServerSettings, tmp_path: Path) -> None:
    async with tools_of(server, tmp_path) as tools:
        output = await tools["one_long"].run({"lines": 100_000}, "key")
    assert isinstance(output, ToolOutput)
    assert output.text.endswith("line 99999")


async def test_arguments_that_the_server_rejects_are_a_failure(
    server: McpServerSettings, tmp_path: Path
) -> None:
    async with tools_of(server, tmp_path) as tools:
        failure = await tools["one_add"].run({"a": "two"}, "key")
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.INVALID_ARGUMENTS
    assert "two" in failure.value


async def test_an_error_of_a_tool_that_reads_is_a_failure(server: McpServerSettings, tmp_path: Path) -> None:
    async with tools_of(server, tmp_path) as tools:
        failure = await tools["one_fail"].run({}, "key")
    assert isinstance(failure, Failure)
    assert "reported an error" in failure.what


async def test_an_error_of_a_tool_with_effects_leaves_its_outcome_unknown(
    server: McpServerSettings, tmp_path: Path
) -> None:
    acts = McpToolSettings(effect=Effect.WRITE)
    async with tools_of(_with(server, fail=acts), tmp_path) as tools:
        with pytest.raises(NebulusError, match="reported an error"):
            await tools["one_fail"].run({}, "key")


async def test_a_tool_that_fails_cleanly_did_nothing(server: McpServerSettings, tmp_path: Path) -> None:
    acts = McpToolSettings(effect=Effect.WRITE, fails_cleanly=True)
    async with tools_of(_with(server, fail=acts), tmp_path) as tools:
        assert isinstance(await tools["one_fail"].run({}, "key"), Failure)


async def test_calls_overlap(server: McpServerSettings, tmp_path: Path) -> None:
    async with tools_of(server, tmp_path) as tools:
        calls = (tools["one_add"].run({"a": number, "b": 1}, "key") for number in range(20))
        outputs = await asyncio.gather(*calls)
    assert [output.text for output in outputs if isinstance(output, ToolOutput)] == [
        str(number + 1) for number in range(20)
    ]


def _with(server: McpServerSettings, **tools: McpToolSettings) -> McpServerSettings:
    return replace(server, tools={**server.tools, **tools})


# What is accepted


async def test_a_server_that_nobody_accepted_gives_no_tool(tmp_path: Path) -> None:
    pins, server = (
        PinStore(tmp_path / "state"),
        McpServerSettings(command=("/bin/touch", str(tmp_path / "started"))),
    )
    opening = servers(
        {"one": server}, place_in(tmp_path), store=str, pins=pins, on_progress=lambda *said: None
    )
    with pytest.raises(ConfigError, match=r"have not accepted .* `nebulus mcp accept one`"):
        async with opening:
            pytest.fail("it gave tools")
    assert not (tmp_path / "started").exists(), "its program was started"


async def test_a_tool_that_changed_since_it_was_accepted_stops_the_start(tmp_path: Path) -> None:
    server = hostile("calm")
    await accept_all(server, tmp_path)
    pins = PinStore(tmp_path / "state")
    known = pins.accepted("one", server)
    assert known is not None
    pins.accept("one", server, [replace(known[0], description="Something else.")])
    opening = servers({"one": server}, place_in(tmp_path), store=str, pins=pins, on_progress=print)
    with pytest.raises(ConfigError, match="has changed tools since you accepted them: 'look'"):
        async with opening:
            pytest.fail("it gave tools")


async def test_a_tool_that_changes_during_a_run_is_called_no_more(tmp_path: Path) -> None:
    async with tools_of(hostile("changing"), tmp_path) as tools:
        assert isinstance(await tools["one_look"].run({"what": "a"}, "key"), ToolOutput)
        await asyncio.sleep(0.3)
        failure = await tools["one_look"].run({"what": "b"}, "key")
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.PERMISSION
    assert "the server has changed what 'look' is" in failure.what
    assert "mallory" not in failure.sentence()


async def test_what_another_program_of_the_same_name_offers_is_not_accepted(tmp_path: Path) -> None:
    await accept_all(hostile("calm"), tmp_path)
    found = await look("one", hostile("echoing"), place_in(tmp_path), pins=PinStore(tmp_path / "state"))
    assert found.difference.is_first


# Servers that misbehave


async def test_a_server_that_dies_is_a_failure_and_is_started_again(tmp_path: Path) -> None:
    async with tools_of(hostile("dying"), tmp_path) as tools:
        failure = await tools["one_look"].run({"what": "a"}, "key")
        assert isinstance(failure, Failure)
        assert failure.kind is FailureKind.TRANSIENT
        assert "it ended with exit code 3" in failure.what
        assert "last word" not in failure.sentence(), "what a program writes is for its user, not for a model"
        again = await tools["one_look"].run({"what": "b"}, "key")
    assert isinstance(again, Failure), "the new process dies at its first call as well"


async def test_a_server_that_dies_amid_an_effect_leaves_its_outcome_unknown(tmp_path: Path) -> None:
    async with tools_of(hostile("dying", tools={}), tmp_path) as tools:
        with pytest.raises(NebulusError, match="is gone: it ended with exit code 3"):
            await tools["one_look"].run({"what": "a"}, "key")


async def test_a_result_of_many_megabytes_is_kept_up_to_a_bound(tmp_path: Path) -> None:
    async with tools_of(hostile("huge"), tmp_path) as tools:
        output = await tools["one_look"].run({"what": "a"}, "key")
    assert isinstance(output, ToolOutput)
    assert len(output.text) < 5 << 20
    assert output.text.endswith("more characters not shown]")


@pytest.mark.parametrize("way", ["too-huge", "endless"])
async def test_a_message_without_an_end_ends_the_server(tmp_path: Path, way: str) -> None:
    async with tools_of(hostile(way), tmp_path) as tools:
        failure = await tools["one_look"].run({"what": "a"}, "key")
    assert isinstance(failure, Failure)
    assert "a message of more than 16,777,216 bytes" in failure.what


@pytest.mark.parametrize("way", ["silent", "flooding"])
async def test_a_call_that_is_cancelled_ends_the_program(tmp_path: Path, way: str) -> None:
    async with tools_of(hostile(way), tmp_path) as tools:
        assert programs_of("hostile_mcp_server.py")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await tools["one_look"].run({"what": "a"}, "key")
        assert programs_of("hostile_mcp_server.py") == []


async def test_everything_that_a_server_started_ends_with_it(tmp_path: Path) -> None:
    async with tools_of(hostile("stubborn"), tmp_path) as tools:
        await tools["one_look"].run({"what": "a"}, "key")
        child = int((tmp_path / "state" / "mcp" / "one" / "child").read_text())
    assert programs_of("hostile_mcp_server.py") == []
    assert not Path(f"/proc/{child}/stat").exists() or " Z " in Path(f"/proc/{child}/stat").read_text()


async def test_a_server_that_never_starts_is_reported_in_time(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did not say what it offers within 1 s"):
        await accept_all(hostile("never-starting", start_timeout_s=1.0), tmp_path)
    assert programs_of("hostile_mcp_server.py") == []


async def test_a_list_without_an_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    found = await look("one", hostile("endless-list", tools={}), place_in(tmp_path), pins=PinStore(tmp_path))
    assert len(found.listed.definitions) == 1000


async def test_words_beside_the_protocol_are_kept_bounded_and_shown_to_the_user_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = await look("one", hostile("noisy"), place_in(tmp_path), pins=PinStore(tmp_path))
    assert 1000 < len(found.words) <= 16_384 + 100
    assert capfd.readouterr() == ("", "")


async def test_orders_in_a_description_are_cut_and_carry_no_control_token(tmp_path: Path) -> None:
    async with tools_of(hostile("injecting"), tmp_path) as tools:
        spec = tools["one_look"].spec
    shown = f"{spec.description} {spec.parameters}"
    assert "<|im_" not in shown
    assert "\n" not in spec.description
    assert len(spec.description) <= 301
    assert len(spec.parameters["properties"]["what"]["description"]) <= 201


async def test_orders_in_a_result_are_text_from_outside(tmp_path: Path) -> None:
    async with tools_of(hostile("ordering"), tmp_path) as tools:
        output = await tools["one_look"].run({"what": "a"}, "key")
    assert isinstance(output, ToolOutput)
    assert not output.is_trusted


async def test_nonsense_in_place_of_a_result_is_said_to_be_lost(tmp_path: Path) -> None:
    async with tools_of(hostile("nonsense"), tmp_path) as tools:
        output = await tools["one_look"].run({"what": "a"}, "key")
    assert isinstance(output, ToolOutput)
    assert output.is_lost


async def test_a_server_at_an_address_that_went_away_is_a_failure_and_is_found_again(tmp_path: Path) -> None:
    with HonestAtAPort() as at:
        async with tools_of(honest(port=at.port, tools={"add": READS}), tmp_path) as tools:
            assert isinstance(await tools["one_add"].run({"a": 1}, "key"), ToolOutput)
            at.stop()
            failure = await tools["one_add"].run({"a": 1}, "key")
            at.start()
            again = await tools["one_add"].run({"a": 1}, "key")
    assert isinstance(failure, Failure), failure
    assert isinstance(again, ToolOutput), again


# Secrets and places


async def test_a_server_gets_its_own_secrets_and_no_other_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "a-value-for-one")
    monkeypatch.setenv("OTHERS", "a-value-for-another")
    server = honest(secrets={"SERVER_KEY": "MINE"}, env={"MODE": "test"}, tools={"variables": READS})
    async with tools_of(server, tmp_path) as tools:
        output = await tools["one_variables"].run({}, "key")
    assert isinstance(output, ToolOutput)
    assert "SERVER_KEY=a-value-for-one" in output.text
    assert "MODE=test" in output.text
    assert "a-value-for-another" not in output.text
    assert "MINE=" not in output.text


async def test_a_secret_that_is_not_set_is_reported_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs \$NOT_SET, which is not set"):
        await accept_all(honest(secrets={"KEY": "NOT_SET"}), tmp_path)


async def test_a_program_in_the_workspace_is_never_started(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    script = place.base / "server.py"
    script.write_text("print('run')")
    for command in (
        (sys.executable, "server.py"),
        (sys.executable, str(script)),
        ("./server.py",),
    ):
        with pytest.raises(ConfigError, match="is in a workspace: a run could have written it"):
            await look("one", McpServerSettings(command=command), place, pins=PinStore(tmp_path))


async def test_a_program_in_any_workspace_is_never_started(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "server.py").write_text("print('run')")
    server = McpServerSettings(command=(sys.executable, str(other / "server.py")))
    with pytest.raises(ConfigError, match="is in a workspace"):
        await look("one", server, replace(place_in(tmp_path), writable=(other,)), pins=PinStore(tmp_path))


async def test_code_is_not_loaded_from_the_workspace_by_a_variable(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    server = replace(honest(), env={"PYTHONPATH": f"/usr/lib/nothing:{place.base}"})
    with pytest.raises(ConfigError, match="is in a workspace"):
        await look("one", server, place, pins=PinStore(tmp_path))


async def test_a_secret_that_a_program_writes_to_stderr_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = replace(place_in(tmp_path), hide=lambda text: text.replace("a word", "[hidden]"))
    found = await look("one", honest(), place, pins=PinStore(tmp_path))
    assert found.words == "[hidden] on stderr"


async def test_a_link_into_the_workspace_is_followed_to_the_program(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    (place.base / "server.py").write_text("print('run')")
    (tmp_path / "link.py").symlink_to(place.base / "server.py")
    command = (sys.executable, str(tmp_path / "link.py"))
    with pytest.raises(ConfigError, match="is in a workspace"):
        await look("one", McpServerSettings(command=command), place, pins=PinStore(tmp_path))


async def test_data_in_the_workspace_may_be_named(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    (place.base / "data.db").write_text("")
    server = honest()
    server = McpServerSettings(command=(*server.command[:1], "-X", "utf8", *server.command[1:]))
    found = await look("one", server, place, pins=PinStore(tmp_path))
    assert found.pairs


async def test_a_program_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no program 'no-such-program' on your PATH"):
        await look(
            "one",
            McpServerSettings(command=("no-such-program",)),
            place_in(tmp_path),
            pins=PinStore(tmp_path),
        )


async def test_two_tools_of_one_server_with_one_name_here_stop_the_start(tmp_path: Path) -> None:
    server = hostile("twins", tools={})
    with pytest.raises(ConfigError, match="has two tools that are both called 'b_c' here"):
        async with tools_of(server, tmp_path, name="b"):
            pytest.fail("it gave tools")


async def test_paths_are_those_of_the_workspace_wherever_the_server_works(tmp_path: Path) -> None:
    asks = McpToolSettings(effect=Effect.READ, paths=("what",))
    async with tools_of(hostile("telling", tools={"look": asks}), tmp_path) as tools:
        output = await tools["one_look"].run({"what": "notes/a.md"}, "key")
    assert isinstance(output, ToolOutput)
    assert output.text == str(tmp_path / "work" / "notes" / "a.md")


async def test_an_address_where_nobody_listens_is_reported(tmp_path: Path) -> None:
    server = McpServerSettings(url="http://127.0.0.1:9/mcp", start_timeout_s=5.0)
    with pytest.raises(ConfigError, match="MCP server 'one' can't be used"):
        await look("one", server, place_in(tmp_path), pins=PinStore(tmp_path))


def test_the_tests_own_process_is_not_mistaken_for_a_server() -> None:
    assert os.getpid() not in programs_of("hostile_mcp_server.py")
