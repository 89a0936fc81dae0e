# ruff: noqa: RUF001 - other languages have other letters
"""Answers that hold a call which is not meant, by composition: every form of a call in every kind of frame.

The sentences of the frames were written without looking at the reader's word lists, and each kind is there in
several languages.
"""

from collections.abc import Iterator

from msgspec import Struct

ARGUMENTS = '{"city": "Oslo", "days": 2}'
CALL = f'{{"name": "get_weather", "arguments": {ARGUMENTS}}}'
FORMS = {
    "hermes": f"<tool_call>\n{CALL}\n</tool_call>",
    "json": CALL,
    "fence": f"```json\n{CALL}\n```",
    "python": 'get_weather(city="Oslo", days=2)',
    "python list": '[get_weather(city="Oslo", days=2)]',
    "named": f"get_weather\n{ARGUMENTS}",
    "qwen xml": "<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>",
    "mistral": f"[TOOL_CALLS]get_weather[ARGS]{ARGUMENTS}",
    "kimi": f"<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{ARGUMENTS}<|tool_call_end|>",
    "llama": f"<|python_tag|>{CALL}",
    "deepseek": f"<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{ARGUMENTS}<｜tool▁call▁end｜>",
    "react": f"Action: get_weather\nAction Input: {ARGUMENTS}",
}

RETRACTED = (
    "Wait, no. That is the wrong city.",
    "Actually, ignore the call above.",
    "Never mind, I found it myself.",
    "Cancelled.",
    "I have cancelled this request.",
    "Shall I go ahead?",
    "Should I run this?",
    "I am waiting for your approval.",
    "Please confirm before I continue.",
    "Let me know if you want me to run it.",
    "On second thought, this is not needed.",
    "Scratch that.",
    "Do not execute this.",
    "I will not run this call without permission.",
    "This was only an illustration.",
    "Is that OK with you?",
    "Hold on, the user didn't ask for this.",
    "Sorry, that was a mistake.",
    "Oops, wrong tool!",
    "That is what the email asked for; I won't do it.",
    "Warte, nein, das war falsch.",
    "Soll ich das ausführen?",
    "Ich warte auf deine Zustimmung.",
    "Attends, non, annule cet appel.",
    "Est-ce que je dois l'exécuter ?",
    "J'attends votre accord.",
    "Espera, no. Ignora la llamada anterior.",
    "¿Quieres que lo ejecute?",
    "Espero su aprobación.",
    "Aspetta, no. Ignora la chiamata qui sopra.",
    "Devo procedere?",
    "Espere, não. Ignore a chamada acima.",
    "Posso continuar?",
    "Wacht, nee. Negeer de functie get_weather hierboven.",
    "Zal ik dit uitvoeren?",
    "Nie, czekaj. Zignoruj to wywołanie.",
    "Подожди, нет. Отмени этот вызов.",
    "Выполнить?",
    "等等，不对，请忽略上面的调用。",
    "需要我执行吗？",
    "待って、違います。上の呼び出しは無視してください。",
    "実行しますか？",
    "잠깐만요, 아니에요. 위 호출은 무시하세요.",
    "انتظر، لا. تجاهل الاستدعاء أعلاه.",
    "Dur, hayır. Bunu iptal et.",
    "रुको, नहीं। इसे रद्द करो।",
    "Vent, nei. Ignorer kallet over.",
    "Vänta, nej. Ignorera anropet ovan.",
)
"""Behind a call: taken back, or a leave that is asked for."""

QUOTED = (
    "Ignore the following:",
    "The email says to run:",
    "Text in notes.txt:",
    "Tool result:",
    "The page contains this:",
    "The user wrote:",
    "Here is what the attacker wants me to do:",
    "An example of the format:",
    "Previous call:",
    "In the log I found:",
    "The documentation shows:",
    "You could call it like this:",
    "Never run:",
    "I would normally call:",
    "If I had access to the tool, I'd use:",
    "Output of the last command:",
    "user:",
    "System:",
    "<|im_start|>user",
    "<|start_header_id|>user<|end_header_id|>\n",
    "<start_of_turn>user",
    "[INST]",
    "### Human:",
    "Observation:",
    "The assistant before me answered:",
    "Quoting the ticket:",
    "The malicious instruction was:",
    "This is how a call looks:",
    "Die E-Mail sagt:",
    "Beispiel:",
    "Führe das niemals aus:",
    "Le document contient :",
    "Exemple :",
    "N'exécute pas ceci :",
    "El correo dice:",
    "Ejemplo:",
    "No ejecutes esto:",
    "La pagina dice:",
    "Per esempio:",
    "O e-mail diz:",
    "Por exemplo:",
    "De e-mail zegt:",
    "Bijvoorbeeld:",
    "Wiadomość mówi:",
    "Na przykład:",
    "В письме написано:",
    "Например:",
    "邮件里写着：",
    "例如：",
    "メールにはこう書いてあります：",
    "例：",
    "이메일 내용:",
    "예를 들어:",
    "يقول البريد الإلكتروني:",
    "E-postada şöyle yazıyor:",
    "उदाहरण:",
)
"""In front of a call: a quotation, an example, another role's words."""

WRAPPED = (
    ("<!-- ", " -->"),
    ("/* ", " */"),
    ("<example>\n", "\n</example>"),
    ("<document>\n", "\n</document>"),
    ("<quote>\n", "\n</quote>"),
    ("<code>\n", "\n</code>"),
    ("<pre>\n", "\n</pre>"),
    ("<tool_response>\n", "\n</tool_response>"),
    ("<email>\n", "\n</email>"),
    ("<del>", "</del>"),
    ("~~", "~~"),
    ('"', '"'),
    ("«", "»"),
    ("„", "“"),
    ("> ", ""),
    ("# ", ""),
    ("// ", ""),
    ("<details><summary>log</summary>\n", "\n</details>"),
    ("<untrusted_content source='mail'>\n", "\n</untrusted_content>"),
    ("<user_message>\n", "\n</user_message>"),
    ("| step | call |\n|---|---|\n| 1 | ", " |"),
    ('"""\n', '\n"""'),
    ("[quote]\n", "\n[/quote]"),
    ("\\begin{verbatim}\n", "\n\\end{verbatim}"),
)
"""Around a call."""

REASONING = (
    ("<think>", "</think>"), ("<Think>", "</Think>"), ("<THINKING>", "</THINKING>"), ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"), ("<Reasoning>", "</Reasoning>"), ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"), ("<plan>", "</plan>"), ("<reflection>", "</reflection>"), ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"), ("<inner_monologue>", "</inner_monologue>"), ("<rationale>", "</rationale>"),
)  # fmt: skip
"""A thought, closed and followed by an answer, or cut before its end."""

SENTENCES = (
    "The function {} requires the team name before it can run.",
    "Calling {} is one option; asking you is another.",
    "I looked at {} and decided against it.",
    "Both {} and a map would help here.",
    "With {} one gets the weather of two days.",
    "Die Funktion {} braucht zuerst einen Namen.",
    "La fonction {} demande un nom.",
    "La función {} necesita un nombre.",
    "函数 {} 需要城市名称。",
)
"""A call inside of a running sentence."""


class NotMeant(Struct, frozen=True):
    """One answer whose call is not meant: its kind, the form of the call, and its text."""

    kind: str
    form: str
    text: str


def composed() -> Iterator[NotMeant]:
    """Yield every form of a call in every frame that fits it."""
    for form, call in FORMS.items():
        for words in RETRACTED:
            yield NotMeant("retracted", form, f"{call}\n{words}")
            yield NotMeant("retracted after a blank line", form, f"{call}\n\n{words}")
        for words in QUOTED:
            yield NotMeant("quoted", form, f"{words}\n{call}")
        for before, behind in WRAPPED:
            yield NotMeant("wrapped", form, f"{before}{call}{behind}")
            yield NotMeant("wrapped", form, f"I found this:\n{before}{call}{behind}\nIt is not for me.")
        for opener, closer in REASONING:
            yield NotMeant(
                "reasoning", form, f"{opener}I could do\n{call}\nbut it is not needed.{closer}\nIt is 4 °C."
            )
            yield NotMeant("reasoning", form, f"{opener}\n{call}\nNo, wait.")
        for sentence in SENTENCES:
            yield NotMeant("sentence", form, sentence.format(call))
