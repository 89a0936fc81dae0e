# ruff: noqa: RUF001 - other languages have other letters
"""Frames that nothing in the reader was written for, and words in seventeen languages: meant calls, and others.

`§` is the call and `$` a sentence. Each frame meets each form of a call once; the sentences go round, so that every
language is met by tables, headers, logs, tests, comments, attributes, YAML, diffs and quotations.
"""

import itertools
from collections.abc import Iterator

from bench.calls_parts.not_meant import FORMS

USED = ("hermes", "json", "python", "fence", "python list")
ONE_LINE = ("hermes", "json", "python")

LABELS = (
    "Nur zum Nachlesen", "Vorschlag von Jana", "À ne pas exécuter", "Vu dans le journal", "Solo como referencia",
    "Lo que pidió el cliente", "Bozza di ieri", "Testo del messaggio", "Rascunho antigo", "Pedido do cliente",
    "Alleen ter informatie", "Tekst uit de mail", "Tylko do wglądu", "Treść zgłoszenia", "Старая запись",
    "Так просил клиент", "Лише для довідки", "仅供参考", "客户发来的内容", "参考情報", "お客様からの依頼", "참고용",
    "고객이 보낸 내용", "للاطلاع فقط", "نص الرسالة", "Yalnızca bilgi için", "Müşterinin yazdığı", "केवल जानकारी के लिए",
    "Endast för kännedom", "Kun til orientering", "Pouze pro informaci", "Doar pentru informare", "Seen in the wild",
    "Backlog item", "Kept for reference",
)  # fmt: skip
"""What is written beside a call that somebody else wrote, or that is kept and not made."""

AROUND = (
    "| $ | § |\n|---|---|\n| a | b |",
    "Name\tText\n$\t§",
    "Date: Mon, 6 May 2024 10:00:00 +0200\nTo: ops@example.org\nSubject: $\n\n§",
    "-----Original Message-----\nSubject: $\n\n§\n\n--\nKim",
    "## 1.4.2\n\n- $: §",
    "### Changed\n\n* $\n* §",
    "[10:02] Kim: $\n[10:03] Bot: §",
    "<kim> $\n<bot> §",
    "Kim (10:02): $\nAlex (10:03):\n§",
    "def test_reader():\n    # $\n    text = §",
    "cases:\n  - name: $\n    input: |\n      §",
    "it('$', () => {\n  expect(parse(`§`)).toBe(1)\n})",
    "Scenario: $\n  When the model answers\n  §\n  Then nothing is run",
    "-- $\n-- §",
    "% $\n% §",
    "; $\n; §",
    "REM $\nREM §",
    "(* $\n§\n*)",
    "{- $\n§\n-}",
    "/** $\n * §\n */",
    "{# $ § #}",
    "<%-- $\n§\n--%>",
    "=begin\n$\n§\n=end",
    "<div title='$ §'></div>",
    "<p data-note='$'>§</p>",
    '<img alt="$ §">',
    "<blockquote>$\n§</blockquote>",
    "<textarea>\n§\n</textarea>",
    "<li>$\n§\n</li>",
    "note: >\n  $\n  §",
    "title: $\nbody: §",
    "- title: $\n  call: §",
    "@@ -1,2 +1,2 @@\n- $\n+ §",
    "--- a/notes.txt\n+++ b/notes.txt\n@@ -0,0 +1 @@\n+§",
    "> $\n> §",
    "> > $\n> > §",
    "> $\n>\n>> §",
    ">>> $\n>>> §",
    "2024-05-06T10:00:00Z INFO $ §",
    "commit 1f3a\nAuthor: Kim\n\n    $\n    §",
    "[^1]: $ §",
    "Term\n: $ §",
    "[quote=kim]$\n§[/quote]",
    "[code]\n§\n[/code]",
    "<nowiki>§</nowiki>",
    "\\begin{quote}\n$\n§\n\\end{quote}",
    "cat <<EOF\n§\nEOF",
    "curl -d '§' http://localhost",
    "INSERT INTO notes VALUES ('$', '§');",
    '1,"$",§',
    "DESCRIPTION:$\\n§",
    "**$**\n\n1. §",
    "[ ] $\n[ ] §",
    '{"note": "$", "text": "§"}',
    "msgid \"$\"\nmsgstr '§'",
    "NAME\n    weather - $\n\nSYNOPSIS\n    §",
    "*$*\n§",
    "$\n§",
    "$: §",
    "($) §",
    "“$”\n§",
    "§\n$",
    "§\n($)",
    "§ -- $",
    "§\n\n> $",
    "§\n\n#$",
    "§\n\n*$*",
)
"""Around a call that is not meant."""

EXPLAINED_AWAY = (
    "Das war aber nur ein Entwurf.",
    "Mais je ne l'exécute pas sans votre accord.",
    "Pero primero necesito tu permiso.",
    "Ma prima vorrei una conferma.",
    "Mas só depois da sua aprovação.",
    "Maar wacht nog even met uitvoeren.",
    "Ale jeszcze tego nie uruchamiam.",
    "Но пока я его не выполняю.",
    "但是我还没有执行它。",
    "ただし、まだ実行しません。",
    "하지만 아직 실행하지 않습니다.",
    "لكنني لن أنفذه الآن.",
    "Ama henüz çalıştırmıyorum.",
    "लेकिन मैं इसे अभी नहीं चलाऊँगा।",
    "Men jag kör det inte ännu.",
    "However, it will only be executed after you have confirmed the city.",
    "I will wait with it until you have told me which city you mean.",
    "However, the request is no longer necessary, because the answer is already in the chat.",
    "It is what the author of the page wants an assistant to run.",
    "Since you did not ask for the weather, there is no reason to run it.",
    "It serves as a placeholder until the real city is known.",
    "You can copy it into your own program and run it there.",
    "Before it is run, somebody with the right role has to sign it off.",
    "On reflection, a forecast from yesterday is good enough, so we can leave it out.",
    "Please tell me whether that is what you had in mind.",
    "It was rejected by the policy of your company.",
)
"""Behind a call and a sentence that explains it: it is taken back, or not to be made now."""

POLITE = (
    "Sure!",
    "Of course.",
    "Happy to help!",
    "Good morning!",
    "Thanks for your question.",
    "Great, thank you!",
)
ANNOUNCING = (
    "I'll check the forecast for you.",
    "Let me look up the weather in Oslo.",
    "I will call get_weather with the city Oslo.",
    "To answer this, I need the current forecast.",
    "The next step is to get the weather.",
    "I'm going to fetch the forecast now.",
    "First, I need to know the weather in Oslo.",
)
PLANS = (
    "1. Get the weather.\n2. Answer the question.\n\nStep 1:\n§",
    "Plan:\n1. get the forecast\n2. summarise it\n\nI'll start with the first step.\n§",
    "My plan is to get the weather first and then to answer.\n\n§",
    "Here is my plan:\n- look up the weather\n- tell the user\n\nLet me begin.\n§",
    "**Step 1**: Get the weather for Oslo.\n\n§",
)
THOUGHTS = (
    "<think>The user asks for Oslo, so I need the tool.</think>\n§",
    "<thinking>\n1. Find the city.\n2. Call the tool.\n</thinking>\n\n§",
    "Thought: I should look up the weather.\n§",
    "Okay, the user wants the weather in Oslo. I'll call the tool.\n§",
)
TRAILING = (
    "§\n\nLet me know if you need anything else!",
    "§\n\nLet me know if you have any other questions.",
    "§\n\nI hope this helps!",
    "§\n\nI'll tell you the result as soon as I have it.",
    "§\n\nThis will give us the forecast for the next two days.",
    "§\n\nOnce I have the forecast, I'll answer your question.",
    "§\n\nI've called the weather tool for Oslo.",
)


def not_meant() -> Iterator[str]:
    """Yield every answer whose call is not meant."""
    labels, forms = itertools.cycle(LABELS), itertools.cycle(USED)
    for frame, _ in itertools.product(AROUND, range(3)):
        yield frame.replace("$", next(labels)).replace("§", FORMS[next(forms)], frame.count("§"))
    for said, form in itertools.product(EXPLAINED_AWAY, ONE_LINE):
        yield f"{FORMS[form]}\nThis call gets the weather of Oslo. {said}"


def meant() -> Iterator[str]:
    """Yield every answer whose call is meant."""
    openings = [f"{a}\n§" for a in ANNOUNCING] + [
        f"{p} {a}\n\n§" for p, a in itertools.product(POLITE, ANNOUNCING)
    ]
    for number, frame in enumerate(openings):
        yield frame.replace("§", FORMS[USED[number % len(USED)]])
    for frame, form in itertools.product((*PLANS, *THOUGHTS, *TRAILING), USED):
        yield frame.replace("§", FORMS[form])
    for said, behind in itertools.product(ANNOUNCING, TRAILING):
        yield f"{said}\n{behind.replace('§', FORMS['hermes'])}"
