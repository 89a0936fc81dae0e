"""A server for the tests, over standard input and output or at an address: `python mcp_server.py [PORT]`.

Written with the official SDK, so that it speaks both eras of the protocol.
"""

import base64
import os
import sys
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ImageContent, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

server = MCPServer("honest", version="1.0", log_level="WARNING")
PIXELS = base64.b64encode(b"\x89PNG" + bytes(3000)).decode()


class Place(BaseModel):
    """Where something is."""

    town: str
    street: str | None = None


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: Annotated[int, Field(description="the other number")] = 1) -> int:
    """Add two numbers.

    This second paragraph is a manual, which no model is shown.
    """
    return a + b


@server.tool()
def send(to: Place, amount: float) -> dict[str, Any]:
    """Send money to a place."""
    return {"sent": amount, "town": to.town}


@server.tool()
async def slow(seconds: float, ctx: Context[Any, Any]) -> str:
    """Wait for some seconds."""
    await ctx.report_progress(1, 3, "begun")
    await anyio.sleep(seconds)
    return "done"


@server.tool()
def picture() -> list[ImageContent | TextContent]:
    """Draw a picture."""
    return [
        TextContent(type="text", text="here"),
        ImageContent(type="image", data=PIXELS, mime_type="image/png"),
    ]


@server.tool()
def long(lines: int) -> str:
    """Return many lines."""
    return "\n".join(f"line {number}" for number in range(lines))


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("it did not work")


@server.tool()
def variables() -> str:
    """Say which variables this process has."""
    return " ".join(f"{name}={value}" for name, value in sorted(os.environ.items()))


if __name__ == "__main__":
    print("a word on stderr", file=sys.stderr, flush=True)
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
