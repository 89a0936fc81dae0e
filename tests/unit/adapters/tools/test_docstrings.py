"""What a docstring says of a function reaches the model in one line each."""

import pytest

from nebulus.adapters.tools.docstrings import parameter_texts, summary

DOCSTRING = """Send a letter
    to somebody.

    More that the model need not read.

    Args:
        to: Who gets it.
        text (str): What it says,
            all of it.
        *rest: The rest: with a colon.

    Returns:
        nothing: at all
    """


def test_the_first_paragraph_is_one_line() -> None:
    assert summary(DOCSTRING) == "Send a letter to somebody."


@pytest.mark.parametrize("docstring", ["", "   \n ", "Args:\n    x: A number."])
def test_without_a_first_paragraph_there_is_none(docstring: str) -> None:
    assert summary(docstring) == ""


def test_each_parameter_has_its_words_and_no_other_section_has() -> None:
    assert parameter_texts(DOCSTRING) == {
        "to": "Who gets it.",
        "text": "What it says, all of it.",
        "rest": "The rest: with a colon.",
    }


@pytest.mark.parametrize("docstring", ["", "One line.", "One.\n\nReturns:\n    x: y"])
def test_without_the_section_no_parameter_has_words(docstring: str) -> None:
    assert parameter_texts(docstring) == {}
