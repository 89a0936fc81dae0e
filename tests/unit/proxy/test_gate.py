"""What is released of an answer while it is written is always words, wherever the text is split."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.calls import read, tool_spec
from nebulus.core.answers import ModelAnswer
from nebulus.proxy.gate import StopCutter, TextGate, unsent

TOOL = tool_spec(
    {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
)
CALL = '{"name": "weather", "arguments": {"city": "Paris"}}'
ANSWERS = [
    "Plain words, and nothing else.",
    "A list:\n- [ ] one\n- [x] two (done)\n",
    "[a link](https://example.com) opens this line.\nThe next one.",
    "```python\nfor city in cities:\n    print(city)\n```\nThat is all.",
    "```\nplain\n```",
    'A table of data:\n{"rows": [1, 2]}\nwas found.',
    f"<tool_call>\n{CALL}\n</tool_call>",
    f"I will look.\n<tool_call>\n{CALL}\n</tool_call>",
    CALL,
    f"```json\n{CALL}\n```",
    f"Look:\n```json\n# a call\n{CALL}\n```",
    "weather(city='Paris')",
    "[weather(city='Paris'), weather(city='Rome')]",
    "```python\nreturn [weather(city='Paris')]\n```",
    "<think>I should look.</think>\n\nIt is warm.",
    f"<think>I should look.</think>{CALL}",
    f"One writes `{CALL}` for that.",
    "`weather` is a tool.",
    "weather\n" + '{"city": "Paris"}',
    "The weather (in Paris) is fine.\nweather is nice, too.",
    "<|start_header_id|>assistant<|end_header_id|>\n\n[weather(city='Paris')]",
    "functions.weather:0" + '{"city": "Paris"}',
    "Action: weather\nAction Input: " + '{"city": "Paris"}',
    "It is a < b, and c << d, and <b>bold</b>.",
    "",
]


def released(text: str, sizes: list[int]) -> str:
    gate, out, position = TextGate(["weather"]), [], 0
    for size in itertools.cycle(sizes):
        if position >= len(text):
            break
        out.append(gate.feed(text[position : position + size]))
        position += size
    assert "".join(out) == gate.released
    return "".join(out)


@pytest.mark.parametrize("text", ANSWERS)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_what_is_released_and_the_rest_are_the_words_that_the_reader_finds(
    text: str, sizes: list[int]
) -> None:
    reading = read(ModelAnswer(text=text), [TOOL])
    sent = released(text, sizes)
    assert (sent + unsent(sent, reading.text)).strip() == reading.text.strip()
    if reading.calls:
        assert "weather" not in sent
        assert "Paris" not in sent


@given(
    text=st.text(alphabet='ab {}[]()`"<>/\n:_|', max_size=60), sizes=st.lists(st.integers(1, 9), min_size=1)
)
def test_what_is_released_is_a_beginning_of_the_text(text: str, sizes: list[int]) -> None:
    assert text.startswith(released(text, sizes))


@pytest.mark.parametrize("text", [ANSWERS[0], ANSWERS[1], ANSWERS[2], ANSWERS[3], ANSWERS[5]])
def test_text_without_calls_is_released_before_its_end(text: str) -> None:
    assert len(released(text, [4])) > len(text) * 0.6


def test_a_text_whose_words_the_reader_sees_otherwise_is_sent_to_its_end() -> None:
    assert unsent("one two", "one [..] three", written="one two three") == " three"
    assert unsent("one two", "something else") == ""
    assert unsent("", "all of it") == "all of it"


def test_without_tools_everything_is_released_at_once() -> None:
    gate = TextGate([])
    assert gate.feed("<tool_call>{") == "<tool_call>{"


@given(
    text=st.text(alphabet="abcE", max_size=40),
    stops=st.lists(st.text(alphabet="abcE", min_size=1, max_size=3), max_size=3),
    size=st.integers(1, 5),
)
def test_a_text_ends_at_its_first_stop_sequence_wherever_it_is_split(
    text: str, stops: list[str], size: int
) -> None:
    cutter = StopCutter(stops)
    seen = "".join(cutter.feed(text[at : at + size]) for at in range(0, len(text), size)) + cutter.finish()
    places = [text.find(stop) for stop in stops if stop in text]
    assert text.startswith(seen)
    assert len(seen) == len(text) or bool(cutter.hit)
    if not places:
        assert seen == text
    elif size >= len(text):
        assert seen == text[: min(places)]


class LookingGate(TextGate):
    """Counts the characters that it looks at."""

    looked_at = 0

    def _step(self) -> bool:
        self.looked_at += len(self._text) - self._at
        return super()._step()


@pytest.mark.parametrize(
    ("opening", "unit"),
    [
        ("", " "),
        ("", "a"),
        ("", "word "),
        ("", "`"),
        ("<think>", "word "),
        ("{", "a"),
        ("```python\n", "\n"),
        ("```\ntext\n", ">"),
        ("```\ntext\n", "` "),
    ],
)
def test_what_is_held_is_not_looked_at_with_every_piece(opening: str, unit: str) -> None:
    text = (opening + unit * 8000)[:8000]
    gate = LookingGate(["weather"])
    for at in range(0, len(text), 4):
        gate.feed(text[at : at + 4])
    assert gate.looked_at < 25 * len(text)


@pytest.mark.parametrize("line", ["words and more of them ", "words\n"])
def test_a_long_text_is_not_kept_once_it_is_released(line: str) -> None:
    gate = TextGate(["weather"])
    text = line * 20_000
    sent = "".join(gate.feed(text[at : at + 1000]) for at in range(0, len(text), 1000))
    assert text.startswith(sent)
    assert len(text) - len(sent) < 2000
    assert len(gate._text) < 150_000
    gate.feed('\n{"name": "weather", "arguments": {}}')
    assert gate.is_closed, "a call opens the next line as before"
