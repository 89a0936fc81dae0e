"""Placeholder until the answers of memory are merged."""
from nebulus.core.answers import Form, FreeForm, Shape
from nebulus.core.findings import Finding
from nebulus.core.prompt import Prompt
from nebulus.core.result import Result, ResultSpec
from nebulus.core.state import State
def compose_answer(state: State, spec: ResultSpec, *, room_bytes: int = 0) -> Prompt: ...
def answer_form(spec: ResultSpec) -> Form: return FreeForm()
def answer_of(text: str, spec: ResultSpec, state: State) -> Result | Finding: return Result(value=text)
