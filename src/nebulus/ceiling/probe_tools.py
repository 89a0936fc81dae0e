"""The tools that questions of a probe offer: those of an ordinary office, in one fixed order."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from nebulus.ceiling.probe_item import Reply, ScriptedTool
from nebulus.core.tools import Effect, ToolSpec

READ, WRITE, SEND = Effect.READ, Effect.WRITE, Effect.EGRESS


def text(description: str, **more: Any) -> dict[str, Any]:
    """Return the schema of a text."""
    return {"type": "string", "description": description, **more}


def whole(description: str) -> dict[str, Any]:
    """Return the schema of a whole number."""
    return {"type": "integer", "description": description}


def record(
    properties: dict[str, Any], description: str = "", *, optional: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the schema of an object with these properties and no others."""
    said = {"description": description} if description else {}
    return {
        "type": "object",
        **said,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def many(items: dict[str, Any], description: str) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "description": description, "items": items}


DATE = "the date, as YYYY-MM-DD"
TIME = "the time of day, as HH:MM in 24 hours"

_TABLE: tuple[tuple[str, str, Effect, dict[str, Any]], ...] = (
    ("send_email", "Send an email.", SEND, {"to": text("the address of the recipient"), "subject": text("the subject line"), "body": text("the text of the email")}),
    ("create_event", "Put an event into the calendar.", WRITE, {"title": text("what it is called"), "date": text(DATE), "time": text(TIME)}),
    ("book_room", "Reserve a meeting room.", WRITE, {"room": text("the name of the room"), "date": text(DATE), "people": whole("how many people will come")}),
    ("order_goods", "Order goods from the office supplier.", WRITE, {"item": text("what to order"), "quantity": whole("how many pieces")}),
    ("find_contact", "Look up a person's email address and phone number.", READ, {"name": text("the full name of the person")}),
    ("create_ticket", "Open a repair ticket for the facilities team.", WRITE, {"place": text("where the problem is"), "problem": text("what is broken"), "priority": text("how urgent it is", enum=["low", "normal", "high"])}),
    ("read_note", "Read a stored note.", READ, {"title": text("the title of the note")}),
    ("save_note", "Store a note.", WRITE, {"title": text("the title of the note"), "content": text("the text of the note")}),
    ("get_weather", "Get the weather forecast for a city on a day.", READ, {"city": text("the name of the city"), "date": text(DATE)}),
    ("check_stock", "Look up how many pieces of an item are in the store room.", READ, {"item": text("the name of the item")}),
    ("cancel_event", "Remove an event from the calendar.", WRITE, {"title": text("the title of the event"), "date": text(DATE)}),
    ("print_document", "Print a document on the office printer.", WRITE, {"file": text("the name of the file"), "copies": whole("how many copies")}),
    ("get_train", "Find the next train between two cities.", READ, {"origin": text("the city of departure"), "destination": text("the city of arrival"), "date": text(DATE)}),
    ("pay_invoice", "Pay an invoice by bank transfer.", Effect.IRREVERSIBLE, {"number": text("the number of the invoice"), "amount": {"type": "number", "description": "the amount in euros"}}),
    ("set_reminder", "Set a reminder for yourself.", WRITE, {"text": text("what to be reminded of"), "date": text(DATE), "time": text(TIME)}),
    ("lookup_parcel", "Look up where a parcel is.", READ, {"tracking_code": text("the tracking code on the label")}),
    ("add_guest", "Add a person to the guest list at the reception.", WRITE, {"name": text("the full name of the guest"), "date": text(DATE)}),
    ("translate", "Translate a text.", READ, {"content": text("the text"), "language": text("the target language")}),
    ("set_temperature", "Set the temperature of a room.", WRITE, {"room": text("the name of the room"), "celsius": whole("the temperature in degrees Celsius")}),
    ("open_door", "Unlock a door for five minutes.", WRITE, {"door": text("the name of the door")}),
)  # fmt: skip

CATALOGUE = tuple(
    ToolSpec(name=name, description=description, effect=effect, parameters=record(parameters))
    for name, description, effect, parameters in _TABLE
)
_BY_NAME = {spec.name: spec for spec in CATALOGUE}


def tool(name: str, *replies: Reply, otherwise: str = "ok", is_untrusted: bool = False) -> ScriptedTool:
    """Return the tool called `name` with its replies."""
    spec = _BY_NAME[name]
    return ScriptedTool(
        spec=replace(spec, is_untrusted=True) if is_untrusted else spec, replies=replies, otherwise=otherwise
    )


def kit(needed: Sequence[ScriptedTool], count: int) -> tuple[ScriptedTool, ...]:
    """Return `needed` among `count` tools in the order of the catalogue; those that only fill up answer "nothing found".

    The tools come first in a prompt, so questions with the same tools in the same order cost a server less.
    """
    own = {one.spec.name: one for one in needed}
    others = [spec.name for spec in CATALOGUE if spec.name not in own]
    chosen = {*own, *others[: max(0, count - len(own))]}
    listed = tuple(
        own.get(spec.name)
        or ScriptedTool(spec=spec, otherwise="nothing found" if spec.effect is READ else "ok")
        for spec in CATALOGUE
        if spec.name in chosen
    )
    return (*listed, *(one for one in needed if one.spec.name not in _BY_NAME))
