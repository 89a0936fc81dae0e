"""GLM 4.5 and later: a name, then keys and values between tags, inside `<tool_call>`.

Hunyuan writes a name and then a code block of JSON between the same tags; Hunyuan 3 a separator behind the name.

Sources: the chat templates of zai-org/GLM-4.5 and tencent/Hunyuan-7B-Instruct; vLLM's glm4_moe_tool_parser and
hy_v3_tool_parser.
"""

import re

from nebulus.calls.bodies import json_arguments_block
from nebulus.calls.dialect import Block, Source
from nebulus.calls.literal import UnreadableError
from nebulus.calls.markup import Markup, marked_block

_NAME = re.compile(r"\s*+([\w.\-:/]{1,160})\s*+(?:<tool_sep>\s*+)?(?=<arg_key>|</tool_call>|\{|```)")
MARKUP = Markup(
    opener=r"<arg_key>(?P<key>[^<\n]{1,160})</arg_key>\s*<arg_value>",
    closer="</arg_value>",
    call_closer="</tool_call>",
    behind_call=r"<tool_call>|<\|",
)


def take(source: Source, start: int, body: int) -> Block:
    """Take the call whose name is at `body`."""
    match = _NAME.match(source.text, body)
    if match is None:
        problem = UnreadableError(
            "a call belongs between the tags", value=source.text[body : body + 24], reached=body
        )
        end = source.after_first(("</tool_call>",), body)
        return Block(start=start, end=end, dialect="hermes", problem=problem)
    if source.text.startswith(("{", "```"), match.end()):
        return json_arguments_block(
            source, start, match.end(), name=match[1], dialect="glm", closers=("</tool_call>",)
        )
    return marked_block(source, start, match.end(), name=match[1], dialect="glm", markup=MARKUP)
