"""Goals about text: summarise, extract, count, compare, mend."""

from bench.real_parts.goal import ProseGoal, act, covers, equals, lines, mentions

_MEETING = """Meeting of the garden club, 14 May 2026, 18:30 to 19:45

Present: Olga Brandt (chair), Sam Whitlock, Priya Nair. Excused: Tom Reyes.

Olga reported that the water pump is broken again. After some discussion it was
decided to buy a new one; Sam gets three offers and brings them by 28 May.
The summer party will be on 11 July, in the park if the weather allows. Priya
books the tent and asks the neighbours for benches.
There was no agreement on painting the shed; it will be talked about next time.

Next meeting: 4 June, same place.
"""
_SUMMARY = """Present: Olga Brandt, Sam Whitlock, Priya Nair.
Decided: buy a new water pump (Sam brings three offers by 28 May); summer party on 11 July, Priya books the tent.
Next meeting: 4 June.
"""
_TODO_FILES = {
    "notes/house.txt": """Painter comes on Tuesday.
TODO: call the electrician
The key is with Mrs. Novak.
TODO: order new door handles
""",
    "notes/work.txt": """Slides are nearly finished.
TODO: send the slides to Jonas
""",
    "notes/garden.txt": """Tomatoes are in. No frost expected.
""",
}
_TODOS = ("TODO: call the electrician", "TODO: order new door handles", "TODO: send the slides to Jonas")
_SIGNUP = """Sign-up sheet for the pottery course

1  Hannah Weiss     hannah.weiss@mailbox.example   pays in cash
2  Luis Ortega      luis@ortega.example            has paid
3  Ming Zhao        (no e-mail, phone 555-0119)
4  Fatima Idrissi   f.idrissi@uni.example          asks for a receipt
"""
_EMAILS = ("hannah.weiss@mailbox.example", "luis@ortega.example", "f.idrissi@uni.example")
_SERVER_LOG = "".join(
    f"2026-05-11 {8 + number // 6:02d}:{number % 6 * 10:02d} {what}\n"
    for number, what in enumerate(
        """GET /index.html 200
GET /menu.html 200
POST /order 201
GET /favicon.ico 404
POST /order 201
GET /menu.html 200
GET /contact.html 200
POST /order 500
POST /order 201
GET /index.html 200
GET /menu.html 200
GET /impressum.html 200
POST /order 201
GET /index.html 304
GET /menu.html 200
POST /login 401
POST /login 200
GET /admin.html 200
GET /stats.html 200""".splitlines()
    )
)
_APP_LOG = """2026-05-20 10:00:01 INFO  service started, version 2.4.1
2026-05-20 10:00:09 INFO  connected to the database
2026-05-20 10:12:44 ERROR payment provider did not answer within 10 s
2026-05-20 10:12:45 WARN  retrying payment 77120
2026-05-20 10:12:49 INFO  payment 77120 accepted
2026-05-20 11:30:02 ERROR disk /data is 91 % full
2026-05-20 11:45:10 INFO  old exports removed
2026-05-20 12:03:31 WARN  slow query, 4.2 s
2026-05-20 12:08:00 ERROR payment 77131 declined by the bank
2026-05-20 13:00:00 INFO  hourly report sent
2026-05-20 13:17:26 ERROR mail server refused the connection
2026-05-20 13:17:56 INFO  mail sent on the second try
"""
_MENU_MAY = """Lunch menu

Tomato soup          4.50
Vegetable lasagne    9.80
Roast chicken       11.20
Apple cake           3.90
"""
_MENU_JUNE = _MENU_MAY.replace("Roast chicken       11.20", "Roast chicken       12.40").replace(
    "Apple cake           3.90", "Cherry cake          3.90"
)
_LETTER = """Dear Mr. Thomson,

we have received your order and thank you for it. As agreed, Mr. Thomson, the two
chairs will be delivered on Thursday between 9 and 12 o'clock.

Please have this letter with you, and sign here on delivery:

____________________  (E. Thomson)
"""
_DIARY = """24 May - planted the beans
26 May - rain all day, read two books
27 May - visit from Karin
"""
_ADDED = "28 May - repaired the bicycle"
_CONTACTS = {
    "contacts/family.txt": "Aunt Greta: 555-0101\nBenedict: 555-0164, only in the evening\n",
    "contacts/doctors.txt": "Dr. Salim, dentist: 555-0120\nDr. Okafor, eyes (not related to Mrs. Okafor): 555-0133\n",
    "contacts/neighbours.txt": "Mr. Lund, first floor: 555-0142\nMrs. Okafor, ground floor: 555-0187\n",
}
_CHAPTERS = {
    "chapter1.txt": "The lighthouse had been dark for a year when Nora came to the island.\n",
    "chapter2.txt": "In the cellar she found the lamp, wrapped in sailcloth and smelling of oil.\n",
    "chapter3.txt": "On the ninth of November the light went on again, and the boats turned home.\n",
}

TEXT: tuple[ProseGoal, ...] = (
    ProseGoal(
        id="summarise-meeting",
        kind="text",
        text="Summarise meeting.txt in summary.md: who was there, what was decided, and when the next meeting is. "
        "Keep it short.",
        files={"meeting.txt": _MEETING, "members.txt": "Olga Brandt\nSam Whitlock\nPriya Nair\nTom Reyes\n"},
        expects={
            "summary.md": covers(
                "Olga",
                "Sam",
                "Priya",
                "pump",
                ("11 July", "July 11"),
                ("4 June", "June 4"),
                source=_MEETING,
                most_chars=len(_MEETING) - 1,
            )
        },
        calls=(
            act("read_file", path="meeting.txt"),
            act("write_file", path="summary.md", content=_SUMMARY),
        ),
    ),
    ProseGoal(
        id="collect-todos",
        kind="text",
        text="Collect all the lines that start with TODO from the files in notes, and write them to todo.txt.",
        files=_TODO_FILES,
        expects={"todo.txt": lines(*_TODOS, in_any_order=True)},
        calls=(
            act("search_files", query="TODO", path="notes"),
            act("write_file", path="todo.txt", content="\n".join(_TODOS) + "\n"),
        ),
    ),
    ProseGoal(
        id="extract-emails",
        kind="text",
        text="Get the e-mail addresses out of signup.txt and put them into emails.txt, one per line.",
        files={"signup.txt": _SIGNUP},
        expects={"emails.txt": lines(*_EMAILS, in_any_order=True)},
        calls=(
            act("read_file", path="signup.txt"),
            act("write_file", path="emails.txt", content="\n".join(_EMAILS) + "\n"),
        ),
    ),
    ProseGoal(
        id="count-lines",
        kind="text",
        text="How many lines does server.log have?",
        files={"server.log": _SERVER_LOG, "notes.txt": "server.log is rotated on Sundays\n"},
        result=int,
        answers=equals(19),
        calls=(act("read_file", path="server.log"),),
        answer=19,
    ),
    ProseGoal(
        id="count-errors",
        kind="text",
        text="How many ERROR lines are there in logs/app.log?",
        files={"logs/app.log": _APP_LOG, "logs/README": "ERROR lines are sent to the on-call phone.\n"},
        result=int,
        answers=equals(4),
        calls=(act("search_files", query="ERROR", path="logs/app.log"),),
        answer=4,
    ),
    ProseGoal(
        id="compare-menus",
        kind="text",
        text="What has changed from menu-may.txt to menu-june.txt?",
        files={"menu-may.txt": _MENU_MAY, "menu-june.txt": _MENU_JUNE},
        result=str,
        answers=mentions("chicken", "12.40", "cherry", never=("4.50", "9.80")),
        calls=(act("read_file", path="menu-may.txt"), act("read_file", path="menu-june.txt")),
        answer="The roast chicken went up from 11.20 to 12.40, and cherry cake replaces apple cake.",
    ),
    ProseGoal(
        id="fix-name",
        kind="text",
        text="In letter.txt the customer is called Thomson, but he spells his name Thompson. Please correct it "
        "everywhere in the letter.",
        files={
            "letter.txt": _LETTER,
            "customers.txt": "E. Thompson, Harbour Road 9\nK. Thomson, Hill Street 2\n",
        },
        expects={"letter.txt": _LETTER.replace("Thomson", "Thompson")},
        calls=(
            act("read_file", path="letter.txt"),
            act("write_file", path="letter.txt", content=_LETTER.replace("Thomson", "Thompson")),
        ),
    ),
    ProseGoal(
        id="append-diary",
        kind="text",
        text=f"Add this line at the end of diary.txt: {_ADDED}",
        files={"diary.txt": _DIARY},
        expects={"diary.txt": f"{_DIARY}{_ADDED}\n"},
        calls=(
            act("read_file", path="diary.txt"),
            act("write_file", path="diary.txt", content=f"{_DIARY}{_ADDED}\n"),
        ),
    ),
    ProseGoal(
        id="find-phone",
        kind="text",
        text="What is Mrs. Okafor's phone number? It must be somewhere in my contacts.",
        files=_CONTACTS,
        result=str,
        answers=mentions("555-0187", never=("555-0133", "555-0142")),
        calls=(act("search_files", query="Okafor", path="contacts"),),
        answer="555-0187",
    ),
    ProseGoal(
        id="join-chapters",
        kind="text",
        text="Put chapter1.txt, chapter2.txt and chapter3.txt together into one file book.txt, in this order.",
        files=_CHAPTERS,
        expects={"book.txt": lines(*(text.strip() for text in _CHAPTERS.values()))},
        calls=(
            *(act("read_file", path=path) for path in _CHAPTERS),
            act("write_file", path="book.txt", content="".join(_CHAPTERS.values())),
        ),
    ),
)
