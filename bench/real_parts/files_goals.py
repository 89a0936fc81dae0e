"""Goals about files: move, copy, delete, list, create, sort."""

from bench.real_parts.goal import ProseGoal, act, lines, mentions

_INVOICE = """INVOICE 2026-0317
Hoffmann & Sons, Roofing
Date: 17 March 2026

Repair of the gutter, 6 hours at 58.00        348.00
Material                                       91.40
Total due by 16 April 2026                    439.40
"""
_OFFER = """Dear customer,

Thank you for your enquiry. We are glad to offer you the following:

  Item:
  Price:
  Valid until:

Kind regards,
Marta Lindqvist, Lindqvist Carpentry
"""
_LOG = """2026-05-02 07:14:03 backup started
2026-05-02 07:15:41 12 files copied
2026-05-02 07:15:42 backup finished
"""
_GARAGE = """RENTAL AGREEMENT

between Ines Marten (landlord) and Paul Kessler (tenant) for garage no. 7,
Lindenstrasse 14. The rent is 65 euros a month, payable on the first.
Notice: three months, in writing.
"""
_PHONE = """MOBILE CONTRACT

Provider: Nordtel. Customer: Paul Kessler.
Tariff: Flat M, 19.99 euros a month. Term: 24 months, from 1 February 2025.
"""
_INSURANCE = """HOUSEHOLD INSURANCE

Policy HR-55-2081 of Paul Kessler, Lindenstrasse 12, second floor left.
Insured sum: 48,000 euros. Premium: 87.30 euros a year.
"""
_GYM = """MEMBERSHIP

FitPoint Studio. Member: Paul Kessler, no. 30211.
29 euros a month. May be ended at the end of each quarter.
"""
_BILLS = {
    "inbox/scan-001.txt": """Stadtwerke - electricity
INVOICE no. 88412-A
Period: January to March. Amount payable: 214.66 EUR. Due on 22 April.
""",
    "inbox/scan-002.txt": """Dear Mr. Kessler,

it was lovely to see you all at Easter. The photographs arrived yesterday, and
Grandma has already framed two of them. Come again soon!

Love, Aunt Greta
""",
    "inbox/scan-003.txt": """Bright Windows Ltd
INVOICE no. 2026/77
Cleaning of 14 windows: 98.00 EUR. Payable within 14 days.
""",
    "inbox/scan-004.txt": """Dear Paul,

I have moved! From the first of May you will find me at Mill Lane 3, with a
spare room for guests. I would be glad to have you here in the summer.

Yours, Benedict
""",
}
_NOTES_2024 = {
    "inbox/2024-02-offer.txt": "Offer of 12 February: two oak shelves, 480.00.\n",
    "inbox/2024-11-thanks.txt": "Thank you for the shelves, they look great. Jo\n",
    "inbox/2025-01-order.txt": "Order of 9 January: one birch table.\n",
    "inbox/readme.txt": "New letters go into this folder. File names begin with the year and month.\n",
}
_BUILD = {
    "build/app.js": "console.log('ready');\n",
    "build/cache-1.tmp": "7f3a 0092 11c8\n",
    "build/cache-2.tmp": "7f3b 0093 11c9\n",
    "build/index.html": "<!doctype html>\n<title>Bakery</title>\n",
    "build/upload.tmp": "partial\n",
    "notes.txt": "The .tmp files come from the old build script.\n",
}
_LICENSE = """The recipes of this site may be shared as long as their author is named.
No warranty is given that they taste good.
"""

FILES: tuple[ProseGoal, ...] = (
    ProseGoal(
        id="archive-invoice",
        kind="files",
        text="Move invoices/2026-03-hoffmann.txt into the folder archive. It should keep its name.",
        files={
            "invoices/2026-03-hoffmann.txt": _INVOICE,
            "invoices/2026-04-mayer.txt": "INVOICE 2026-0402\nMayer Gardens\nTotal 120.00\n",
            "archive/2025-12-hoffmann.txt": "INVOICE 2025-1204\nHoffmann & Sons\nTotal 77.00\n",
        },
        expects={"invoices/2026-03-hoffmann.txt": None, "archive/2026-03-hoffmann.txt": _INVOICE},
        calls=(
            act(
                "move_file",
                source="invoices/2026-03-hoffmann.txt",
                target="archive/2026-03-hoffmann.txt",
            ),
        ),
    ),
    ProseGoal(
        id="copy-template",
        kind="files",
        text="Please make a copy of templates/offer.md called offers/meyer.md. Leave the template where it is.",
        files={"templates/offer.md": _OFFER, "templates/invoice.md": "Invoice no.\nAmount:\n"},
        expects={"offers/meyer.md": _OFFER},
        calls=(
            act("read_file", path="templates/offer.md"),
            act("write_file", path="offers/meyer.md", content=_OFFER),
        ),
    ),
    ProseGoal(
        id="delete-log",
        kind="files",
        text="I don't need old.log any more. Get rid of it, please.",
        files={"old.log": _LOG, "new.log": _LOG.replace("05-02", "05-03"), "backup.conf": "target = /mnt\n"},
        expects={"old.log": None},
        calls=(act("delete_file", path="old.log"),),
    ),
    ProseGoal(
        id="clean-build",
        kind="files",
        text="Delete all the .tmp files in the folder build, but nothing else.",
        files=_BUILD,
        expects={"build/cache-1.tmp": None, "build/cache-2.tmp": None, "build/upload.tmp": None},
        calls=(
            act("list_files", path="build"),
            act("delete_file", path="build/cache-1.tmp"),
            act("delete_file", path="build/cache-2.tmp"),
            act("delete_file", path="build/upload.tmp"),
        ),
    ),
    ProseGoal(
        id="move-2024",
        kind="files",
        text="Move every file in inbox whose name starts with 2024 to the folder archive/2024.",
        files=_NOTES_2024,
        expects={
            "inbox/2024-02-offer.txt": None,
            "inbox/2024-11-thanks.txt": None,
            "archive/2024/2024-02-offer.txt": _NOTES_2024["inbox/2024-02-offer.txt"],
            "archive/2024/2024-11-thanks.txt": _NOTES_2024["inbox/2024-11-thanks.txt"],
        },
        calls=(
            act("list_files", path="inbox"),
            act("move_file", source="inbox/2024-02-offer.txt", target="archive/2024/2024-02-offer.txt"),
            act("move_file", source="inbox/2024-11-thanks.txt", target="archive/2024/2024-11-thanks.txt"),
        ),
    ),
    ProseGoal(
        id="find-garage-lease",
        kind="files",
        text="One of the files in contracts is about the garage in Lindenstrasse. Rename it to garage-lease.txt "
        "and keep it in the same folder.",
        files={
            "contracts/doc1.txt": _PHONE,
            "contracts/doc2.txt": _INSURANCE,
            "contracts/doc3.txt": _GARAGE,
            "contracts/doc4.txt": _GYM,
        },
        expects={"contracts/doc3.txt": None, "contracts/garage-lease.txt": _GARAGE},
        calls=(
            act("search_files", query="garage", path="contracts"),
            act("move_file", source="contracts/doc3.txt", target="contracts/garage-lease.txt"),
        ),
    ),
    ProseGoal(
        id="list-photos",
        kind="files",
        text="Which files are in the folder photos?",
        files={
            "photos/beach.txt": "IMG_2041, 3 July, the long pier at sunset\n",
            "photos/harbour.txt": "IMG_2055, 4 July, fishing boats\n",
            "photos/market.txt": "IMG_2078, 6 July, the cheese stall\n",
            "albums.txt": "Summer 2025: see photos\n",
        },
        result=str,
        answers=mentions("beach.txt", "harbour.txt", "market.txt", never=("albums.txt",)),
        calls=(act("list_files", path="photos"),),
        answer="The folder photos has beach.txt, harbour.txt and market.txt.",
    ),
    ProseGoal(
        id="packing-list",
        kind="files",
        text="Make me a file packing.txt with three lines: tent, sleeping bag, torch.",
        files={"trip.md": "# Hiking weekend\n\nWe leave on Friday at 15:00 from the station.\n"},
        expects={"packing.txt": lines("tent", "sleeping bag", "torch")},
        calls=(act("write_file", path="packing.txt", content="tent\nsleeping bag\ntorch\n"),),
    ),
    ProseGoal(
        id="sort-inbox",
        kind="files",
        text="Go through the inbox: the scans that are invoices belong into the folder invoices, and the "
        "personal letters into the folder letters. Keep their names.",
        files=_BILLS,
        expects={
            **dict.fromkeys(_BILLS),
            "invoices/scan-001.txt": _BILLS["inbox/scan-001.txt"],
            "letters/scan-002.txt": _BILLS["inbox/scan-002.txt"],
            "invoices/scan-003.txt": _BILLS["inbox/scan-003.txt"],
            "letters/scan-004.txt": _BILLS["inbox/scan-004.txt"],
        },
        calls=(
            act("search_files", query="INVOICE", path="inbox"),
            act("move_file", source="inbox/scan-001.txt", target="invoices/scan-001.txt"),
            act("move_file", source="inbox/scan-003.txt", target="invoices/scan-003.txt"),
            act("move_file", source="inbox/scan-002.txt", target="letters/scan-002.txt"),
            act("move_file", source="inbox/scan-004.txt", target="letters/scan-004.txt"),
        ),
    ),
    ProseGoal(
        id="set-up-site",
        kind="files",
        text="Set up a folder called site for our new project: a README.md with the line 'Recipes of the bakery', "
        "a file started.txt with the line 'Begun on 3 June 2026', and a copy of templates/license.txt named "
        "LICENSE.",
        files={"templates/license.txt": _LICENSE, "templates/offer.md": _OFFER},
        expects={
            "site/README.md": "Recipes of the bakery",
            "site/started.txt": "Begun on 3 June 2026",
            "site/LICENSE": _LICENSE,
        },
        calls=(
            act("write_file", path="site/README.md", content="Recipes of the bakery\n"),
            act("write_file", path="site/started.txt", content="Begun on 3 June 2026\n"),
            act("read_file", path="templates/license.txt"),
            act("write_file", path="site/LICENSE", content=_LICENSE),
        ),
    ),
)
