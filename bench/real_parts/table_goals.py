"""Goals about tables in CSV and JSON: totals, filters, look-ups, changed rows."""

import json

from msgspec import Struct

from bench.real_parts.goal import ProseGoal, TextCheck, act, equals, lines, mentions

_EXPENSES = """date,what,amount
2026-05-02,Train to Hamburg,48.90
2026-05-02,Hotel Alster,112.00
2026-05-03,Lunch with client,37.45
2026-05-04,Taxi,18.20
2026-05-06,Printer paper,12.99
2026-05-09,Phone,24.00
"""
_ORDERS = """order,customer,country,total
1001,Berg AS,Norway,340.00
1002,Dupont SA,France,128.50
1003,Fjell Sport,Norway,77.90
1004,Keller GmbH,Germany,412.00
1005,Nordlys,Norway,59.00
1006,Rossi Srl,Italy,230.10
"""
_NORWAY = (
    "\n".join(line for line in _ORDERS.splitlines() if "Norway" in line or line.startswith("order")) + "\n"
)
_PRODUCTS = """[
  {"name": "Desk lamp", "price": 39.5, "stock": 12},
  {"name": "Office chair", "price": 189.0, "stock": 4},
  {"name": "Bookcase", "price": 149.0, "stock": 7},
  {"name": "Footrest", "price": 24.9, "stock": 30}
]
"""
_PANTRY = """{
  "flour": {"unit": "kg", "quantity": 4},
  "olive oil": {"unit": "bottle", "quantity": 2},
  "rice": {"unit": "kg", "quantity": 6},
  "sunflower oil": {"unit": "bottle", "quantity": 2}
}
"""
_PANTRY_AFTER = _PANTRY.replace(
    '"olive oil": {"unit": "bottle", "quantity": 2}', '"olive oil": {"unit": "bottle", "quantity": 6}'
)
_MEMBERS = """name,email,since
Ada Lorenz,ada@lorenz.example,2019
Bruno Silva,bruno@silva.example,2023
"""
_NEW_MEMBER = "Lena Brandt,lena@brandt.example,2026"
_INVOICES = """number,customer,amount,paid
501,Bakery Holm,220.00,yes
502,Studio Vega,1340.00,no
503,Cafe Linde,86.40,yes
504,Garage Petri,410.00,no
505,Hotel Aurora,990.00,no
"""
_CUSTOMERS = """id,name,city
31,Agnes Moreau,Lyon
32,Viktor Sandberg,Malmo
33,Ewa Zielinska,Gdansk
"""
_PLACED = """order,customer_id,date,total
1005,33,2026-04-02,71.00
1006,31,2026-04-09,18.40
1007,32,2026-04-11,126.75
1008,31,2026-04-15,60.00
"""
_MAY = """date,what,amount
2026-05-03,Flour,64.00
2026-05-11,Electricity,140.50
2026-05-20,New oven door,95.50
"""


class Product(Struct, frozen=True):
    """A product and what it costs."""

    name: str
    price: float


def same_json(wanted: str) -> TextCheck:
    """Return a check that a text is JSON of the same value; its layout doesn't count."""

    def check(text: str) -> str:
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            return f"not valid JSON: {error}"
        return "" if found == json.loads(wanted) else f"another value: {' '.join(text.split())[:100]}"

    return check


def total(wanted: str) -> TextCheck:
    """Return a check that a text has this total, and no other number."""

    def check(text: str) -> str:
        words = [word.strip(".,;:€$()") for word in text.split()]
        numbers = [word for word in words if word[:1].isdigit()]
        if numbers and all(_is_same(word, wanted) for word in numbers):
            return ""
        return f"the total is {wanted}, not {' '.join(text.split())[:100]!r}"

    return check


def _is_same(word: str, wanted: str) -> bool:
    try:
        return abs(float(word) - float(wanted)) < 1e-6
    except ValueError:
        return False


TABLES: tuple[ProseGoal, ...] = (
    ProseGoal(
        id="total-expenses",
        kind="tables",
        text="What is the total of the amounts in expenses.csv?",
        files={"expenses.csv": _EXPENSES, "budget.txt": "Budget for May: 300.00\n"},
        result=float,
        answers=equals(253.54),
        calls=(act("read_file", path="expenses.csv"),),
        answer=253.54,
    ),
    ProseGoal(
        id="filter-norway",
        kind="tables",
        text="Write all the orders from Norway in orders.csv to a new file norway.csv, with the header line.",
        files={"orders.csv": _ORDERS},
        expects={"norway.csv": _NORWAY},
        calls=(
            act("read_file", path="orders.csv"),
            act("write_file", path="norway.csv", content=_NORWAY),
        ),
    ),
    ProseGoal(
        id="dearest-product",
        kind="tables",
        text="Which product in products.json is the most expensive one, and what does it cost?",
        files={"products.json": _PRODUCTS},
        result=Product,
        answers=equals(Product("Office chair", 189.0)),
        calls=(act("read_file", path="products.json"),),
        answer=Product("Office chair", 189.0),
    ),
    ProseGoal(
        id="update-pantry",
        kind="tables",
        text="We now have 6 bottles of olive oil. Please update pantry.json.",
        files={"pantry.json": _PANTRY},
        expects={"pantry.json": same_json(_PANTRY_AFTER)},
        calls=(
            act("read_file", path="pantry.json"),
            act(
                "edit_file",
                path="pantry.json",
                old='"olive oil": {"unit": "bottle", "quantity": 2}',
                new='"olive oil": {"unit": "bottle", "quantity": 6}',
            ),
        ),
    ),
    ProseGoal(
        id="add-member",
        kind="tables",
        text="Lena Brandt has joined us in 2026. Add her to members.csv, her e-mail is lena@brandt.example.",
        files={"members.csv": _MEMBERS},
        expects={"members.csv": f"{_MEMBERS}{_NEW_MEMBER}\n"},
        calls=(
            act("read_file", path="members.csv"),
            act("write_file", path="members.csv", content=f"{_MEMBERS}{_NEW_MEMBER}\n"),
        ),
    ),
    ProseGoal(
        id="unpaid-customers",
        kind="tables",
        text="Which customers in invoices.csv haven't paid yet? Write their names to reminder.txt, one per line.",
        files={"invoices.csv": _INVOICES},
        expects={"reminder.txt": lines("Studio Vega", "Garage Petri", "Hotel Aurora", in_any_order=True)},
        calls=(
            act("search_files", query=",no", path="invoices.csv"),
            act("write_file", path="reminder.txt", content="Studio Vega\nGarage Petri\nHotel Aurora\n"),
        ),
    ),
    ProseGoal(
        id="order-customer",
        kind="tables",
        text="The customers are in customers.csv and their orders in orders.csv. What is the name of the customer "
        "who placed order 1007?",
        files={"customers.csv": _CUSTOMERS, "orders.csv": _PLACED},
        result=str,
        answers=mentions("Viktor Sandberg", never=("Moreau", "Zielinska")),
        calls=(
            act("search_files", query="1007", path="orders.csv"),
            act("read_file", path="customers.csv"),
        ),
        answer="Viktor Sandberg",
    ),
    ProseGoal(
        id="close-may",
        kind="tables",
        text="Please close the month of May: write the total of the amounts in may.csv to may-total.txt, then move "
        "may.csv to the folder closed, and delete may-draft.csv.",
        files={
            "may.csv": _MAY,
            "may-draft.csv": "date,what,amount\n2026-05-03,Flour,64.00\n",
            "june.csv": "date,what,amount\n",
        },
        expects={
            "may-total.txt": total("300.00"),
            "may.csv": None,
            "closed/may.csv": _MAY,
            "may-draft.csv": None,
        },
        calls=(
            act("read_file", path="may.csv"),
            act("write_file", path="may-total.txt", content="300.00\n"),
            act("move_file", source="may.csv", target="closed/may.csv"),
            act("delete_file", path="may-draft.csv"),
        ),
    ),
)
