"""Settings of MCP servers: what can't be meant stops the start, and what is started is confirmed first."""

import sys
from pathlib import Path
from typing import Any

import pytest

from nebulus.adapters.mcp.settings import McpServerSettings
from nebulus.adapters.trust.ledger import Contact, TrustLedger
from nebulus.app import bootstrap
from nebulus.app.bootstrap_mcp import require_mcp
from nebulus.app.settings import Settings
from nebulus.app.settings_file import read_settings
from nebulus.app.trust import ProgramInDoubt, contacts_in_doubt, contacts_of, trust
from nebulus.core.errors import ConfigError
from nebulus.core.tools import Effect


def read(**server: Any) -> McpServerSettings:
    return read_settings({"mcp": {"one": server}}, source="nebulus.toml").mcp["one"]


def test_a_server_is_read_with_its_tools() -> None:
    server = read(command=["server"], secrets={"KEY": "MY_KEY"}, tools={"look": {"effect": "read"}})
    assert server.tools["look"].effect is Effect.READ
    assert server.variables == ("MY_KEY",)
    assert read(url="https://example.org/mcp", api_key_env="TOKEN").variables == ("TOKEN",)


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        ({}, "mcp.one needs either command or url"),
        ({"command": ["x"], "url": "https://example.org"}, "mcp.one needs either command or url"),
        ({"url": "example.org"}, "is not an address"),
        ({"url": "https://me:pass@example.org/mcp"}, "mcp.one.url contains a password"),
        ({"url": "https://example.org", "env": {"A": "b"}}, "mcp.one.env is for a program"),
        ({"command": ["x"], "api_key_env": "A"}, "api_key_env is for a url"),
        ({"command": ["x"], "env": {"A=B": "c"}}, "'A=B' can't be the name of a variable"),
        ({"url": "https://example.org", "secrets": {"A: b": "C"}}, "'A: b' can't be the name of a header"),
        ({"command": ["x"], "timeout_s": 0}, r"mcp.one.timeout_s=0.* is out of range"),
        ({"command": ["x"], "tools": {"look": {"efect": "read"}}}, "efect"),
        ({"command": ["x"], "comand": ["y"]}, r"mcp.one.comand is not a setting; did you mean 'command'\?"),
    ],
)
def test_what_can_not_be_meant_is_named(server: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read(**server)


@pytest.mark.parametrize("name", ["One", "a b", "1st", "x" * 21])
def test_the_name_of_a_server_is_short_and_plain(name: str) -> None:
    with pytest.raises(ConfigError, match="can't be the name of a server"):
        read_settings({"mcp": {name: {"command": ["x"]}}}, source="nebulus.toml")


def test_what_servers_get_is_a_secret_of_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "a-long-enough-value")
    server = McpServerSettings(command=("x",), secrets={"KEY": "MY_KEY"})
    known = bootstrap.secrets(Settings(mcp={"one": server}))
    assert known.hide("so it is a-long-enough-value") == "so it is [secret MY_KEY]"
    assert known.revealed({"a": "[secret MY_KEY]"}, "one_look") == {"a": "[secret MY_KEY]"}


def test_an_address_is_contacted_only_when_it_was_confirmed() -> None:
    servers = {
        "far": McpServerSettings(url="https://example.org/mcp", api_key_env="TOKEN"),
        "near": McpServerSettings(url="http://127.0.0.1:8000/mcp"),
    }
    found = [contact for contact in contacts_of(Settings(mcp=servers)) if "example" in contact.host]
    assert found == [Contact("https://example.org:443", "TOKEN")]
    assert len(list(contacts_of(Settings(mcp=servers)))) == 1


@pytest.mark.usefixtures("new_user")
def test_a_program_that_a_file_in_the_workspace_names_is_started_only_when_it_was_confirmed(
    tmp_path: Path,
) -> None:
    path, ledger = tmp_path / "nebulus.toml", TrustLedger()
    path.write_text("")
    settings = Settings(mcp={"one": McpServerSettings(command=("server", "--all"), secrets={"KEY": "MINE"})})
    (doubt,) = contacts_in_doubt(settings, path, tmp_path, ledger=ledger)
    assert isinstance(doubt, ProgramInDoubt)
    assert "starts `server --all` outside of the sandbox, with the value of $MINE" in doubt.sentence()
    trust([doubt], ledger)
    assert contacts_in_doubt(settings, path, tmp_path, ledger=ledger) == []
    for other in (
        McpServerSettings(command=("server",), secrets={"KEY": "MINE"}),
        McpServerSettings(command=("server", "--all"), secrets={"KEY": "MINE", "MORE": "HOME"}),
        McpServerSettings(command=("server", "--all"), secrets={"KEY": "MINE"}, env={"LD_PRELOAD": "x.so"}),
    ):
        assert contacts_in_doubt(Settings(mcp={"one": other}), path, tmp_path, ledger=ledger)
    ledger.forget()
    assert contacts_in_doubt(settings, path, tmp_path, ledger=ledger)


def test_a_missing_extra_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mcp", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(ConfigError, match=r"MCP \(one\) needs the package mcp; pip install 'nebulus\[mcp\]'"):
        require_mcp(Settings(mcp={"one": McpServerSettings(command=("x",))}))
