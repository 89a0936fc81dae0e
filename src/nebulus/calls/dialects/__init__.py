"""Every dialect that the reader knows, one module a family.

To add one: write its module with a `Dialect` and its source, name it here, and put what the family's
models write into the fixtures of `tests/unit/calls`.
"""

from nebulus.calls.dialect import Dialect
from nebulus.calls.dialects import (
    deepseek,
    functionary,
    gemma,
    gorilla,
    harmony,
    hermes,
    invoke,
    kimi,
    kimi_xtml,
    llama,
    mistral,
    qwen_xml,
    raven,
    react,
    tagged_json,
    tool_code,
)

DIALECTS: tuple[Dialect, ...] = (
    hermes.DIALECT,
    qwen_xml.DIALECT,
    invoke.DIALECT,
    invoke.DSML_DIALECT,
    llama.DIALECT,
    mistral.DIALECT,
    mistral.UNMARKED,
    deepseek.DIALECT,
    kimi.DIALECT,
    kimi.UNMARKED,
    kimi_xtml.DIALECT,
    harmony.DIALECT,
    harmony.BARE,
    gemma.DIALECT,
    tool_code.DIALECT,
    gorilla.DIALECT,
    raven.DIALECT,
    react.DIALECT,
    functionary.DIALECT,
    functionary.VERSION_3,
    *tagged_json.DIALECTS,
)
"""In the order in which they are asked where two share an opener."""
