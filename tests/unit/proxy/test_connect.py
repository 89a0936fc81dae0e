"""What is written into the files of clients joins what is there, and can be taken out again."""

import json
import tomllib

import pytest

from nebulus.core.errors import ConfigError
from nebulus.proxy.connect import Target, clients, merged, settings_of, without_block

TARGET = Target(url="http://127.0.0.1:8484", window_tokens=8192)


@pytest.mark.parametrize("client", clients())
def test_each_client_is_told_the_address_and_what_to_do_then(client: str) -> None:
    settings = settings_of(client, TARGET)
    assert TARGET.url in f"{settings.variables} {settings.content}"
    assert settings.then


@pytest.mark.parametrize("client", [name for name in clients() if settings_of(name, TARGET).file])
def test_a_file_is_what_its_client_can_read(client: str) -> None:
    settings = settings_of(client, TARGET)
    text = merged("", settings)
    read = tomllib.loads(text) if settings.form == "block" else json.loads(text)
    assert "8192" in str(read), "the window is in it"


def test_what_is_in_a_json_file_is_kept() -> None:
    before = '{"theme": "dark", "provider": {"other": {"name": "Other"}}, "model": "other/one"}'
    after = json.loads(merged(before, settings_of("opencode", TARGET)))
    assert after["theme"] == "dark"
    assert set(after["provider"]) == {"other", "nebulus"}


def test_a_block_is_replaced_and_taken_out_without_a_trace() -> None:
    before = 'theme = "dark"\n'
    settings = settings_of("codex", TARGET)
    once = merged(before, settings)
    assert merged(once, settings) == once
    assert tomllib.loads(once)["model_provider"] == "nebulus"
    assert without_block(once) == before


@pytest.mark.parametrize("text", ["// a comment\n{}", "[]", "{", "[" * 100_000])
def test_a_file_that_is_not_plain_json_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigError, match="by hand"):
        merged(text, settings_of("opencode", TARGET))


def test_an_unknown_client_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="claude-code, codex"):
        settings_of("clippy", TARGET)
