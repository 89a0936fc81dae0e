"""A history in either form gives the same turns, and nothing is dropped."""

from nebulus.memory.turns import Answered, Called, Said, turns_of

OPENAI = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "Read a."}, {"type": "image_url", "image_url": {}}],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "k1", "type": "function", "function": {"name": "read", "arguments": '{"p": "a"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "k1", "content": "hello"},
    {"role": "assistant", "content": "It says hello."},
]
ANTHROPIC = [
    {"role": "user", "content": "Read a."},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "I read it."},
            {"type": "tool_use", "id": "k1", "name": "read", "input": {"p": "a"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "k1",
                "content": [{"type": "text", "text": "no"}],
                "is_error": True,
            }
        ],
    },
]


def test_openai_messages_are_read() -> None:
    assert turns_of(OPENAI) == (
        Said("system", "Be brief."),
        Said("user", "Read a."),
        Said("user", "[image_url: not text, not shown]"),
        Called("k1", "read", '{"p": "a"}'),
        Answered("k1", "hello"),
        Said("assistant", "It says hello."),
    )


def test_anthropic_messages_are_read_and_an_error_is_one() -> None:
    assert turns_of(ANTHROPIC) == (
        Said("user", "Read a."),
        Said("assistant", "I read it."),
        Called("k1", "read", '{"p":"a"}'),
        Answered("k1", "no", True),
    )


def test_what_has_no_form_is_kept_as_it_is() -> None:
    odd = [
        {"role": "assistant", "function_call": {"name": "old", "arguments": "{}"}},
        {"role": "function", "name": "old", "content": "7"},
        {"role": "user", "content": {"odd": 1}},
        {"role": "user", "content": "half \ud800 character"},
        {},
    ]
    assert turns_of(odd) == (
        Called("", "old", "{}"),
        Said("function", "7"),
        Said("user", '{"odd":1}'),
        Said("user", "half \\ud800 character"),
    )
