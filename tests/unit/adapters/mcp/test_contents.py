"""What a call returned, as text and values."""

import base64

import pytest
from mcp_types import (
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from nebulus.adapters.mcp.contents import STORED_BYTES, fields_of, text_of
from nebulus.core.errors import StoreError


def store(text: str) -> str:
    return "a" * 64


def test_parts_follow_each_other_in_lines() -> None:
    parts = [TextContent(type="text", text="one"), TextContent(type="text", text="two")]
    assert text_of(CallToolResult(content=list(parts)), store) == "one\ntwo"


def test_a_result_that_is_only_structured_is_its_json() -> None:
    result = CallToolResult(content=[], structured_content={"warm": True, "degrees": 3.5, "list": [1]})
    assert text_of(result, store) == '{"warm":true,"degrees":3.5,"list":[1]}'
    assert fields_of(result) == {"warm": True, "degrees": 3.5}


def test_what_is_embedded_is_named_with_its_address() -> None:
    text = EmbeddedResource(type="resource", resource=TextResourceContents(uri="file:///a.md", text="hello"))
    blob = EmbeddedResource(
        type="resource",
        resource=BlobResourceContents(uri="file:///a.bin", blob=base64.b64encode(b"xyz").decode()),
    )
    link = ResourceLink(type="resource_link", uri="https://example.org", name="site")
    said = text_of(CallToolResult(content=[text, blob, link]), store)
    assert said.splitlines() == [
        "[file:///a.md]",
        "hello",
        "[file file:///a.bin of type application/octet-stream with 3 bytes, stored as artifact aaaaaaaaaaaaaaaa]",
        "[link to site: https://example.org]",
    ]


@pytest.mark.parametrize("data", ["no base64!", "A" * (STORED_BYTES * 4 // 3 + 100)])
def test_an_image_that_can_not_be_kept_is_said_to_be_lost(data: str) -> None:
    image = ImageContent(type="image", data=data, mime_type="image/png")
    assert "not kept" in text_of(CallToolResult(content=[image]), store)


def test_a_store_that_refuses_loses_the_image_alone() -> None:
    def full(text: str) -> str:
        raise StoreError("the disk is full")

    image = ImageContent(type="image", data="QUJD", mime_type="image/png")
    said = text_of(CallToolResult(content=[TextContent(type="text", text="seen"), image]), full)
    assert said == "seen\n[image of type image/png with 3 bytes: not kept, the disk is full]"
