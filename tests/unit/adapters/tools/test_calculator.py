"""`calculate` is exact, says where it is not, and refuses what it can't calculate with a way out."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.tools.arithmetic import Number
from nebulus.adapters.tools.calculator import DEEPEST, MOST_CHARS, calculate, evaluated
from nebulus.adapters.tools.numbers import written
from nebulus.core.errors import ToolError
from nebulus.core.failure import FailureKind


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("0.1 + 0.2", 0.3),
        ("12 + 7 =", 19),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("2 ** 3 ** 2", 512),
        ("2^10", 1024),
        ("7 // 2 + 7 % 4", 6),
        ("3 × 4 ÷ 2", 6),
        ("$1,200.50 + $30", 1230.5),
        ("15% of 80", 12),
        ("80 * 15%", 12),
        ("20% + 5%", 0.25),
        ("sum([1, 2, 3]) / 3", 2),
        ("round(2.5) + round(-2.345, 2)", 0.65),
        ("max(1, 2.5) - min(3, 4) + abs(-1)", 0.5),
        ("avg(1, 2) + median(3, 1, 2)", 3.5),
        ("sqrt(1600) + floor(2.9) + ceil(2.1)", 45),
        ("16 ** 0.5", 4),
        ("2024-05-09 - 2024-03-01", 69),
        ("days('2024-03-01', '2024-05-09')", 69),
        ("days_between(2024-03-01, 2024-05-09)", 69),
        ("2024-02-28 + 2", "2024-03-01"),
        ("2 ** 100", 2**100),
        ("max(5,100) + sum(100,200,300)", 700),
    ],
)
def test_what_a_person_would_write_has_the_value_that_they_mean(expression: str, result: object) -> None:
    output = calculate(expression)
    assert output.fields == {"result": result}
    assert output.text == str(result)


def test_a_result_that_is_rounded_is_marked_by_its_exact_value() -> None:
    assert calculate("1 / 3").fields == {"result": 0.333333333333333, "exact": "1/3"}
    assert calculate("sqrt(2)").text == "1.4142135623731"
    assert calculate("(1 + 0.05/365) ** (365 * 30)").text == "4.48122868852452"
    assert calculate("1e30 / 3").text == "3.33333333333333e+29"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "empty"),
        ("x + 1", "put its value there"),
        ("2(3)", "write * between factors"),
        ("1 2", "character 3"),
        ("(1", "not closed"),
        ("1 +", "ends where a number must follow"),
        ("1/0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("5 % 0", "division by zero"),
        ("200 + 10%", "two things"),
        ("$5 + €5", "two currencies"),
        ("sum(1,200, 5)", "blank after each comma"),
        ("sum(1,200,2,400)", "blank after each comma"),
        ("(-8) ** (1/3)", "no root"),
        ("sqrt(-1)", "no square root"),
        ("round(1, 0.5)", "whole number of places"),
        ("foo(1)", "there is no function 'foo'; known are abs"),
        ("abs(1, 2)", "abs takes 1 values, not 2"),
        ("sum()", "1 or more"),
        ("2024-02-30 + 1", "no such date"),
        ("05/09/2024 - 03/01/2024", "dates are written year first (05/09/2024)"),
        ("2024-02-01 * 2", "whole days"),
        ("2024-02-01 + 2024-02-02", "subtract them"),
        ("9999-12-31 + 1", "years 1 to 9999"),
        ("abs(2024-01-01)", "a date can't be used here"),
        ("__import__('os').system('id')", "can't be calculated"),
        ("1.5.2", "character 4"),
        ("one, two", "is not a number"),
    ],
)
def test_what_has_no_value_is_refused_with_a_way_out(expression: str, words: str) -> None:
    with pytest.raises(ToolError) as caught:
        calculate(expression)
    assert words in str(caught.value)
    assert caught.value.failure.kind is FailureKind.INVALID_ARGUMENTS


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9",
        "-(9**9**9)",
        "0.1 ** 99999",
        "2 ** 3.7 ** 50",
        "1e9999",
        "1e999 * 1e999",
        "1.000001 ** 10000000000",
        "(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1),
        "-" * 1000 + "1",
        "1" + "+1" * MOST_CHARS,
        "abs(" * 500 + "1" + ")" * 500,
    ],
)
def test_what_is_too_large_is_refused_before_it_is_computed(expression: str) -> None:
    with pytest.raises(ToolError, match=r"digits|deep|characters"):
        calculate(expression)


def test_a_long_calculation_stays_small() -> None:
    product = "*".join(f"({n}/{n + 1})" for n in range(1001, 1300))
    assert calculate(product).text.startswith("0.77")
    assert calculate("*".join(["1.123456789"] * 300)).text.startswith("1468628333")


def joined(
    parts: tuple[tuple[str, Fraction | None], str, tuple[str, Fraction | None]],
) -> tuple[str, Fraction | None]:
    """Two expressions with their values, as one; None for a value that does not exist."""
    (left, one), sign, (right, two) = parts
    text = f"({left} {sign} {right})"
    if one is None or two is None or (sign == "/" and two == 0):
        return text, None
    return text, {"+": one + two, "-": one - two, "*": one * two, "/": one / two if two else Fraction()}[sign]


numbers = st.integers(-1000, 1000) | st.fractions(-100, 100, max_denominator=50)
trees = st.recursive(
    numbers.map(lambda n: (f"({n.numerator}/{n.denominator})", Fraction(n))),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(joined),
    max_leaves=12,
)


@given(trees)
def test_four_operations_agree_with_fractions(tree: tuple[str, Fraction | None]) -> None:
    text, value = tree
    if value is None:
        with pytest.raises(ToolError):
            evaluated(text)
    else:
        assert evaluated(text) == Number(value)


@given(st.text("0123456789.,+-*/%()^ eof$[]sumaxqrt=\"'", max_size=60) | st.text(max_size=40))
def test_no_text_raises_anything_but_a_tool_error(text: str) -> None:
    try:
        output = calculate(text)
    except ToolError:
        return
    assert output.text


@given(st.dates(), st.dates())
def test_days_agree_with_the_calendar(one: date, other: date) -> None:
    assert evaluated(f"{one} - {other}") == Number(Fraction((one - other).days))
    assert evaluated(f"{other} + {(one - other) / timedelta(days=1):.0f}") == one or one < other


@given(st.fractions())
def test_what_is_written_as_exact_is_exact(value: Fraction) -> None:
    text = written(value)
    assert (Fraction(text.text) == value) is text.is_exact
    assert abs(Fraction(text.text) - value) <= abs(value) / 10**14


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_a_scalar_says_the_same_as_its_text(number: float) -> None:
    result = written(Fraction(str(number)))
    assert Fraction(str(result.scalar)) == Fraction(result.text)
