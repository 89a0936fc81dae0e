"""Questions of a probe about one step: generated from seeds and our own words, each with an answer that code can check.

Invariants: the same area, level and number make the same question everywhere; each question has one right way to end, or
says which ones are; the language is ordinary English.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from nebulus.ceiling.probe_item import Area, Expected, ExpectedCall, OneOf, ProbeItem, ScriptedTool
from nebulus.ceiling.probe_tools import WRITE, kit, many, record, text, tool, whole
from nebulus.ceiling.probe_words import (
    CITIES,
    GOODS,
    MONTHS,
    NUMBER_WORDS,
    ORDINALS,
    PEOPLE,
    ROOMS,
    STREETS,
    SUBJECTS,
    Draw,
    email_of,
)
from nebulus.core.result import ResultSpec
from nebulus.core.tools import ToolSpec

Made: TypeAlias = tuple[str, tuple[ScriptedTool, ...], tuple[ExpectedCall, ...]]
"""The sentence that asks for a call, the tools it needs, and the calls that are right."""
STEPS_TOOLS = 5
"""Up to so many tools, a question is a step of a runbook; a step is shown no more. Beyond, it is a goal in prose."""


def item(area: Area, level: int, number: int, **parts: Any) -> ProbeItem:
    """Return a question from its parts."""
    return ProbeItem(area=area, level=level, number=number, **parts)


def as_step(sentence: str) -> str:
    """Return a runbook with one step."""
    return f"Work through the list.\n\n1. {sentence}"


def date_of(draw: Draw) -> tuple[str, str]:
    """Return a day of the year 2027, as YYYY-MM-DD and in words."""
    month, day = draw.below(12), draw.below(20)
    return f"2027-{month + 1:02}-{day + 1:02}", f"the {ORDINALS[day]} of {MONTHS[month]} 2027"


def stated(level: int, number: int) -> ProbeItem:
    """A step that names its tool and every argument; `level` counts the arguments."""
    draw = Draw("stated", level, number)
    date, _ = date_of(draw)
    person, room, count = draw.one(PEOPLE), draw.one(ROOMS), draw.between(3, 60)
    title, clock = f"Talk about {draw.one(SUBJECTS)}", f"{draw.between(9, 18):02}:30"
    # fmt: off
    options: dict[int, list[tuple[str, dict[str, Any]]]] = {
        1: [("open_door", {"door": f"{room} {draw.between(1, 9)}"}), ("lookup_parcel", {"tracking_code": draw.code(10).upper()})],
        2: [("order_goods", {"item": draw.one(GOODS), "quantity": count}), ("add_guest", {"name": person, "date": date})],
        3: [("book_room", {"room": room, "date": date, "people": count}), ("create_event", {"title": title, "date": date, "time": clock})],
    }
    # fmt: on
    name, arguments = draw.one(options[level])
    listed = ", ".join(f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in arguments.items())  # fmt: skip
    return item(
        Area.STATED,
        level,
        number,
        text=as_step(f"Use {name} with {listed}."),
        tools=kit([tool(name)], STEPS_TOOLS),
        expected=Expected(steps=((ExpectedCall(tool=name, arguments=arguments),),)),
    )


def simple_call(draw: Draw) -> Made:
    """Return a sentence that asks for one call without naming a tool, with its values written out."""
    date, _ = date_of(draw)
    person, room, count = draw.one(PEOPLE), draw.one(ROOMS), draw.between(3, 60)
    goods, subject, city = draw.one(GOODS), draw.one(SUBJECTS), draw.one(CITIES)
    clock = f"{draw.between(8, 18):02}:{draw.one(('00', '15', '30', '45'))}"
    problem = draw.one(
        ("the radiator leaks", "the lamp flickers", "the lock is stuck", "the blinds are torn")
    )
    urgency = draw.one(("low", "normal", "high"))
    file = f"{draw.one(('agenda', 'menu', 'floorplan', 'leaflet'))}-{draw.code(4)}.pdf"
    # fmt: off
    options: list[tuple[str, str, dict[str, Any]]] = [
        (f"Reserve room {room} on {date} for {count} people.", "book_room", {"room": OneOf((room, f"room {room}")), "date": date, "people": count}),
        (f"We need {count} {goods} from the supplier.", "order_goods", {"item": goods, "quantity": count}),
        (f'Put "{subject}" into the calendar on {date} at {clock}.', "create_event", {"title": subject, "date": date, "time": clock}),
        (f'Remind me of "{subject}" on {date} at {clock}.', "set_reminder", {"text": subject, "date": date, "time": clock}),
        (f"In the {room} room, {problem}; report it with {urgency} priority.", "create_ticket", {"place": OneOf((room, f"{room} room", f"the {room} room", f"room {room}", f"in the {room} room")), "problem": problem, "priority": urgency}),
        (f"I need {count} printed copies of {file}.", "print_document", {"file": file, "copies": count}),
        (f"{person} will visit us on {date}; tell the reception to expect them.", "add_guest", {"name": person, "date": date}),
        (f"Make it {count % 9 + 16} degrees in the room {room}.", "set_temperature", {"room": OneOf((room, f"room {room}", f"the room {room}")), "celsius": count % 9 + 16}),
        (f"What will the weather be like in {city} on {date}?", "get_weather", {"city": city, "date": date}),
        (f"The event \"{subject}\" on {date} will not take place; take it off the calendar.", "cancel_event", {"title": subject, "date": date}),
    ]
    # fmt: on
    sentence, name, arguments = draw.one(options)
    return sentence, (tool(name),), (ExpectedCall(tool=name, arguments=arguments),)


def choose(level: int, number: int) -> ProbeItem:
    """One call among `level` tools."""
    sentence, needed, calls = simple_call(Draw("choose", level, number))
    return item(
        Area.CHOOSE,
        level,
        number,
        text=as_step(sentence) if level <= STEPS_TOOLS else sentence,
        tools=kit(needed, level),
        expected=Expected(steps=(calls,)),
    )


_PERSON = record({"name": text("the full name"), "email": text("the email address")}, "a person")
_NESTED = {
    1: ("register_guest", "Register a guest.", {"guest": _PERSON, "room": text("the name of the room")}),
    2: (
        "create_invoice",
        "Write an invoice.",
        {
            "customer": _PERSON,
            "lines": many(
                record({"item": text("what was sold"), "quantity": whole("how many")}), "what is charged"
            ),
        },
    ),
    3: (
        "plan_delivery",
        "Plan a delivery with several stops.",
        {
            "driver": text("the full name of the driver"),
            "stops": many(
                record(
                    {
                        "address": record({"street": text("the street"), "city": text("the city")}),
                        "goods": many(
                            record({"item": text("what"), "quantity": whole("how many")}), "what is delivered"
                        ),
                    }
                ),
                "the stops, in order",
            ),
        },
    ),
}


def nested(level: int, number: int) -> ProbeItem:
    """A call whose arguments have `level` layers of objects and lists."""
    draw = Draw("nested", level, number)
    name, description, parameters = _NESTED[level]
    person = draw.one(PEOPLE)
    contact = {"name": person, "email": email_of(person)}
    goods = [{"item": one, "quantity": draw.between(2, 40)} for one in draw.several(GOODS, 2)]
    listed = " and ".join(f"{line['quantity']} {line['item']}" for line in goods)
    if level == 1:
        room = draw.one(ROOMS)
        arguments: dict[str, Any] = {"guest": contact, "room": OneOf((room, f"room {room}"))}
        sentence = f"Register {person} ({email_of(person)}) as a guest in the room {room}."
    elif level == 2:
        arguments = {"customer": contact, "lines": goods}
        sentence = f"Write an invoice to {person} ({email_of(person)}) for {listed}."
    else:
        streets, cities = draw.several(STREETS, 2), draw.several(CITIES, 2)
        stops: list[dict[str, Any]] = [
            {"address": {"street": f"{street} {draw.between(1, 90)}", "city": city}, "goods": [line]}
            for street, city, line in zip(streets, cities, goods, strict=True)
        ]
        arguments = {"driver": person, "stops": stops}
        told = ", then ".join(
            f"{stop['goods'][0]['quantity']} {stop['goods'][0]['item']} to {stop['address']['street']} in "
            f"{stop['address']['city']}"
            for stop in stops
        )
        sentence = f"Plan a delivery: {person} drives and brings {told}."
    spec = ToolSpec(name=name, description=description, effect=WRITE, parameters=record(parameters))
    return item(
        Area.NESTED,
        level,
        number,
        text=as_step(sentence),
        tools=kit([ScriptedTool(spec=spec)], 3),
        expected=Expected(steps=((ExpectedCall(tool=name, arguments=arguments),),)),
    )


def copy(level: int, number: int) -> ProbeItem:
    """A value of about `level` characters that can't be guessed."""
    draw = Draw("copy", level, number)
    parts = [draw.code(8)]
    while sum(map(len, parts)) + len(parts) < level:
        parts.append(
            draw.one((draw.code(draw.between(4, 9)), draw.one(CITIES).lower(), str(draw.below(10_000))))
        )
    value, title = "-".join(parts), f"key of {draw.one(SUBJECTS)}"
    return item(
        Area.COPY,
        level,
        number,
        text=as_step(f'Store a note with the title "{title}" and the content "{value}".'),
        tools=kit([tool("save_note")], 3),
        expected=Expected(
            steps=((ExpectedCall(tool="save_note", arguments={"title": title, "content": value}),),)
        ),
    )


def prose(level: int, number: int) -> ProbeItem:
    """A call with `level` values that are described rather than written out."""
    draw = Draw("prose", level, number)
    date, date_words = date_of(draw)
    hour, (count_words, count) = draw.between(1, 8), draw.one(list(NUMBER_WORDS.items()))
    room, other, goods, subject = *draw.several(ROOMS, 2), draw.one(GOODS), draw.one(SUBJECTS)
    hour_words = ("one", "two", "three", "four", "five", "six", "seven", "eight")[hour - 1]
    if level == 1:
        sentence = f"We have run out of {goods}: please get us {count_words} from the supplier."
        call = ExpectedCall(tool="order_goods", arguments={"item": goods, "quantity": count})
    elif level == 2:
        sentence = f"On {date_words} {count_words} of us will meet, not in {other} as usual but in {room}; get us the room."
        if count_words.startswith(("a", "half")):
            sentence = sentence.replace(f"{count_words} of us", f"{count_words} people")
        call = ExpectedCall(
            tool="book_room", arguments={"room": OneOf((room, f"room {room}")), "date": date, "people": count}
        )
    else:
        sentence = f'Half an hour after {hour_words} in the afternoon on {date_words} we talk about {subject}; the calendar should call it "{subject}".'
        call = ExpectedCall(
            tool="create_event", arguments={"title": subject, "date": date, "time": f"{hour + 12}:30"}
        )
    return item(
        Area.PROSE,
        level,
        number,
        text=as_step(sentence),
        tools=kit([tool(call.tool)], STEPS_TOOLS),
        expected=Expected(steps=((call,),)),
    )


_UNFIT = (
    "Sharpen the kitchen knives.", "Paint the fence behind the {room} room green.", "Teach {person} to ride a bicycle.",
    "Carry the piano from {city} up to the attic.", "Water the plants in {room}.", "Bake a cake for {person}.",
    "Repair the bicycle of {person}.", "Drive {person} to the station in {city}.", "Mow the lawn in front of {room}.",
    "Tune the guitar of {person}.", "Iron the curtains of the room {room}.", "Feed the cat while {person} is in {city}.",
)  # fmt: skip


def abstain(level: int, number: int) -> ProbeItem:
    """Work that none of `level` tools can do."""
    draw = Draw("abstain", level, number)
    goal = draw.one(_UNFIT).format(room=draw.one(ROOMS), person=draw.one(PEOPLE), city=draw.one(CITIES))
    unfit = ("set_reminder", "create_ticket", "create_event", "save_note", "send_email")
    tools = tuple(one for one in kit([], 20) if one.spec.name not in unfit)[:level]
    return item(Area.ABSTAIN, level, number, text=goal, tools=tools, expected=Expected(gives_up=True))


def arithmetic(level: int, number: int) -> ProbeItem:
    """A number that must be computed in `level` operations."""
    draw = Draw("arithmetic", level, number)
    boxes, each, loose, gone = (
        draw.between(3, 9),
        draw.between(11, 29),
        draw.between(12, 90),
        draw.between(5, 30),
    )
    goods = draw.one(GOODS)
    sentence, value = (
        f"The store room has {boxes * each} {goods}, and {loose} more arrive.",
        boxes * each + loose,
    )
    if level > 1:
        sentence = f"The store room has {boxes} boxes with {each} {goods} each, and {loose} more arrive."
    if level > 2:
        sentence += f" Then {gone} are taken away."
        value -= gone
    return item(
        Area.ARITHMETIC,
        level,
        number,
        text=f"{sentence} How many {goods} are there now?",
        expected=Expected(answer=value),
        result=ResultSpec(schema={"type": "integer"}),
    )


Maker: TypeAlias = Callable[[int, int], ProbeItem]
ONE_STEP: dict[Area, tuple[Maker, tuple[int, ...]]] = {
    Area.STATED: (stated, (1, 2, 3)),
    Area.CHOOSE: (choose, (1, 3, 5, 10, 20)),
    Area.NESTED: (nested, (1, 2, 3)),
    Area.COPY: (copy, (20, 80, 240)),
    Area.PROSE: (prose, (1, 2, 3)),
    Area.ABSTAIN: (abstain, (1, 5, 15)),
    Area.ARITHMETIC: (arithmetic, (1, 2, 3)),
}
"""Who makes the questions of an area, and its levels."""
