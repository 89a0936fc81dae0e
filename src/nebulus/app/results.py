"""Placeholder until merged."""
from typing import Any
from nebulus.core.result import Result, ResultSpec
def result_spec(kind: Any) -> ResultSpec: return ResultSpec()
def decode_result(kind: Any, result: Result) -> Any: return result.value
