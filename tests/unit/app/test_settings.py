"""Settings are read strictly: what can't be meant stops the start, with the place, the value and the fix."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.backends.settings import BackendSettings
from nebulus.app.settings import Settings, TierSettings, read_model
from nebulus.app.settings_file import load_settings, read_settings
from nebulus.core.demand import ErrorCost
from nebulus.core.errors import ConfigError
from nebulus.core.routes import RoutePolicy

NANO = {"model": "nano"}


def test_without_a_file_smollm2_is_used_and_never_nano(tmp_path: Path) -> None:
    assert load_settings(None, tmp_path) == Settings()
    assert list(Settings().tiers) == ["smollm2"]


def test_unless_somebody_says_otherwise_commands_are_contained_arguments_checked_and_approvals_expire() -> (
    None
):
    settings = Settings()
    assert settings.commands == "sandboxed"
    assert settings.checks_arguments
    assert settings.approvals.expires_s == 24 * 60 * 60
    assert settings.policy == ""
    assert settings.secrets == {}


def test_a_file_is_read_with_its_tiers_in_order(tmp_path: Path) -> None:
    (tmp_path / "nebulus.toml").write_text(
        '[tiers.small]\nmodel = "ollama:qwen3:8b"\nwindow_tokens = 8192\nkinds = ["execute"]\n'
        '[tiers.large]\nmodel = "http://127.0.0.1:8000#big"\n[budget]\nmodel_calls = 7\n'
    )
    settings = load_settings(None, tmp_path)
    assert list(settings.tiers) == ["small", "large"]
    assert settings.budget.model_calls == 7
    assert settings.tiers["small"].backend().window_tokens == 8192


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"tiers": {"a": {"model": "nano", "windw_tokens": 3}}}, "tiers.a.windw_tokens is not a setting; did you mean 'window_tokens'"),
        ({"budgt": {}}, "budgt is not a setting; did you mean 'budget'"),
        ({"budget": {"token": 1}}, "budget.token is not a setting; did you mean 'tokens'"),
        ({"tiers": {"a": {"model": "nano", "window_tokens": "x"}}}, "tiers.a.window_tokens='x': Expected `int`"),
        ({"tiers": {"a": {"model": "zz"}}}, "'zz' is not a model; write smollm2, hf:OWNER/REPO:QUANT, PATH.gguf"),
        ({"tiers": {"a": {}}}, "tiers.a.model is missing"),
        ({"tiers": 3}, r"tiers=3 is not a table; write \[tiers\]"),
        ({"tiers": {"a": {"model": "nano", "kinds": ["execute"]}}}, "no tier may plan"),
        ({"tiers": {"a": {"model": "nano", "tools_shown": 0}}}, "tools_shown=0 shows no tool"),
        ({"tiers": {"a": {"model": "nano", "reserve_tokens": -1}}}, "reserve_tokens=-1 is negative"),
        (
            {"tiers": {"a": {"model": "nano", "window_tokens": 100, "reserve_tokens": 100}}},
            "leaves no room in a window of 100",
        ),
        ({"tiers": {"a": {"model": "nano", "reasoning_tokens": -1}}}, "reasoning_tokens=-1 is negative"),
        ({"budget": {"tokens": -5}}, "budget.tokens=-5 is out of range; write a number from 0 on"),
        ({"budget": {"calls": {"pay": -1}}}, "budget.calls.pay=-1 is out of range"),
        ({"limits": {"attempts": 0}}, "limits.attempts=0 is out of range; write a number from 1 on"),
        ({"limits": {"first_wait_s": -0.5}}, "limits.first_wait_s=-0.5 is out of range; write a number from 0 on"),
        ({"engine": {"url": "mysql://x/y"}}, "engine.url='mysql://x/y' is not a database that runs can live in"),
        ({"tiers": {"a": {"model": "nano", "kinds": ["run"]}}}, "there are 'answer', 'execute', 'extract', 'plan'"),
        ({"planning": "x"}, "planning='x': .*; there are 'next', 'outline'"),
        (
            {"tiers": {"a": {"model": "nano", "window_tokens": 100, "reserve_tokens": 60, "reasoning_tokens": 40}}},
            "reserve_tokens=60 with reasoning_tokens=40 leaves no room in a window of 100",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_said_with_place_value_and_fix(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings(data, source="nebulus.toml")


def test_a_file_that_is_no_toml_or_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[tiers\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_settings(tmp_path / "bad.toml", tmp_path)
    with pytest.raises(ConfigError, match="can't be read"):
        load_settings(tmp_path / "none.toml", tmp_path)


@pytest.mark.parametrize(
    ("spelling", "backend"),
    [
        ("models/a.gguf", BackendSettings(kind="embedded", path="models/a.gguf")),
        ("ollama:qwen3:8b", BackendSettings(kind="openai", url="http://127.0.0.1:11434", model="qwen3:8b")),
        ("smollm2", BackendSettings(kind="embedded", path="smollm2")),
        ("hf:a/b:Q4_0", BackendSettings(kind="embedded", path="hf:a/b:Q4_0")),
        ("hf:a/b:x-Q4_0.gguf", BackendSettings(kind="embedded", path="hf:a/b:x-Q4_0.gguf")),
        ("lmstudio:q", BackendSettings(kind="openai", url="http://127.0.0.1:1234", model="q")),
        ("vllm:org/q", BackendSettings(kind="openai", url="http://127.0.0.1:8000", model="org/q")),
        ("llamacpp:", BackendSettings(kind="llama.cpp", url="http://127.0.0.1:8080")),
        ("llamacpp:q", BackendSettings(kind="llama.cpp", url="http://127.0.0.1:8080", model="q")),
        ("http://h:1#m", BackendSettings(kind="auto", url="http://h:1", model="m")),
        ("openai+http://h:1#m", BackendSettings(kind="openai", url="http://h:1", model="m")),
        ("llama.cpp+http://h:1", BackendSettings(kind="llama.cpp", url="http://h:1")),
        ("anthropic+https://h#m", BackendSettings(kind="anthropic", url="https://h", model="m")),
    ],
)
def test_a_model_is_spelled_in_one_word(spelling: str, backend: BackendSettings) -> None:
    assert read_model(spelling) == backend


def test_only_the_named_tiers_are_kept_and_an_unknown_name_is_an_error() -> None:
    settings = Settings(tiers={"a": TierSettings(model="nano"), "b": TierSettings(model="nano")})
    assert list(settings.only(("b",)).tiers) == ["b"]
    assert settings.only(()) == settings
    with pytest.raises(ConfigError, match="there is no tier 'c'"):
        settings.only(("c",))


@given(text=st.text(max_size=60))
def test_any_spelling_is_a_model_or_a_clear_error(text: str) -> None:
    try:
        assert read_model(text).kind
    except ConfigError as error:
        assert repr(text) in str(error)


def test_the_thought_that_a_tier_may_take_reaches_its_backend_and_the_machine() -> None:
    settings = read_settings({"tiers": {"a": {"model": "nano", "reasoning_tokens": 64}}}, source="n")
    assert settings.tiers["a"].backend().reasoning_tokens == 64
    assert settings.tiers["a"].tier("a", 4096).reasoning_tokens == 64


def test_a_route_that_can_not_be_is_refused_with_what_would_fix_it() -> None:
    for table, said in (
        ({"mode": "pin"}, "needs route.pins"),
        ({"pins": {"act": "gone"}}, "'gone' is not a tier"),
        ({"read": 60}, "not a probability"),
    ):
        with pytest.raises(ConfigError, match=said):
            read_settings({"route": table}, source="nebulus.toml")


def test_a_route_is_a_ladder_unless_it_is_set() -> None:
    assert read_settings({}, source="x").route.policy() == RoutePolicy()
    measured = read_settings({"route": {"mode": "measured", "irreversible": 0.95}}, source="x").route.policy()
    assert measured.needed[ErrorCost.IRREVERSIBLE] == 0.95


def test_a_worker_in_a_settings_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "nebulus.toml").write_text(
        '[tiers.nano]\nmodel = "nano"\n\n[workers.lookup]\ngoal = "Find the price."\n'
        'inputs = { product = "text" }\ntools = ["read_file"]\npaths = ["prices/"]\nresult = "number"\n'
        "budget = { tokens = 20000 }\n"
    )
    spec = load_settings(None, tmp_path).workers["lookup"].spec("lookup")
    assert spec.paths == ("prices",)
    assert spec.inputs["properties"] == {"product": {"type": "string"}}
    assert spec.result is not None
    assert spec.result.schema == {"type": "number"}
    assert spec.budget.tokens == 20_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[workers."a b"]\ngoal = "Do it."', "workers.a b"),
        ('[workers.a]\ngoal = " "', "has no goal"),
        ('[workers.a]\ngoal = "Do it."\ninputs = { x = "txt" }', "txt"),
        ('[workers.a]\ngoal = "Do it."\ntool = ["read_file"]', "tool"),
    ],
)
def test_a_worker_that_can_not_be_meant_stops_the_start(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "nebulus.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_settings(None, tmp_path)
