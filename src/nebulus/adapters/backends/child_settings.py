"""What the embedded server's parent and child agree on."""

from msgspec import Struct

EXIT_NO_SERVER = 4
"""llama.cpp refused: the model can't be loaded, or the port is taken."""

READY = b"ready\n"


class ChildSettings(Struct, frozen=True, kw_only=True):
    """What the child is told. `window_tokens` is that of one slot; `threads` 0 leaves it to llama.cpp.

    `chat_template` "" is the model's own.
    """

    path: str
    port: int
    window_tokens: int
    slots: int
    threads: int
    chat_template: str = ""
