"""The last look before a prompt leaves this machine goes by labels, whichever way its tier was chosen."""

import pytest

from nebulus.adapters.backends.settings import BackendSettings
from nebulus.core.failure import FailureKind
from nebulus.core.prompt import Piece, PieceKind, Prompt
from nebulus.core.provenance import Origin, Provenance
from nebulus.core.routes import RoutePolicy
from nebulus.core.tiers import Tier
from nebulus.guard.departure import departure_refusal

HERE = Tier(name="here", window_tokens=4096)
THERE = Tier(name="there", window_tokens=4096, leaves_machine=True)
MAIL = Piece(PieceKind.RESULT, "see you at nine", Provenance((Origin("tool", "read_mail", "c3"),)))
MADE_OF_MAIL = Piece(PieceKind.FACT, "nine", Provenance((Origin("model"), Origin("tool", "read_mail", "c3"))))
WEATHER = Piece(PieceKind.RESULT, "sunny", Provenance((Origin("tool", "weather", "c4"),)))


@pytest.mark.parametrize("piece", [MAIL, MADE_OF_MAIL])
def test_what_a_private_tool_returned_is_not_sent_away_nor_what_a_model_made_of_it(piece: Piece) -> None:
    policy = RoutePolicy(private_tools=("read_mail",))
    refusal = departure_refusal(Prompt((WEATHER, piece)), THERE, policy)
    assert refusal is not None
    assert refusal.kind is FailureKind.POLICY_REFUSAL
    assert "read_mail" in refusal.what
    assert departure_refusal(Prompt((WEATHER,)), THERE, policy) is None
    assert departure_refusal(Prompt((WEATHER, piece)), HERE, policy) is None


def test_where_all_data_is_private_no_prompt_leaves() -> None:
    assert departure_refusal(Prompt((WEATHER,)), THERE, RoutePolicy(is_private=True)) is not None
    assert departure_refusal(Prompt((WEATHER,)), HERE, RoutePolicy(is_private=True)) is None


@pytest.mark.parametrize(
    ("url", "model", "leaves"),
    [
        ("http://127.0.0.1:8080", "", False),
        ("http://localhost:11434", "qwen3:8b", False),
        ("http://[::1]:8080", "", False),
        ("", "", False),
        ("http://localhost:11434", "gpt-oss:120b-cloud", True),
        ("http://192.168.1.7:8080", "", True),
        ("https://api.example.com/v1", "m", True),
        ("http://127.0.0.1.example.com", "m", True),
        ("http://localhost.example.com", "m", True),
    ],
)
def test_an_address_says_whether_prompts_leave_the_machine(url: str, model: str, leaves: bool) -> None:
    assert BackendSettings(kind="openai", url=url, model=model).leaves_machine is leaves
