# ruff: noqa: RUF001 - other languages have other letters
"""Answers that hold a call which is not meant, by composition: every form of a call in every kind of frame.

The sentences are ours, and each kind is there in several languages. None of them is in the reader: it knows words
that announce or explain a call, and doubts all others.
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

DISOWNED = (
    "That call was only hypothetical.",
    "I shouldn't have written that.",
    "But the user did not ask for it.",
    "Just kidding.",
    "Not yet.",
    "This is what I would do.",
    "Would you like me to proceed?",
    "(not executed)",
    "The above is what was in the file.",
    "I have not run it.",
    "Please approve the call.",
    "Don't worry, I won't.",
    "That's what the tool call in the document looks like.",
    "I refuse.",
    "Awaiting confirmation to call the function.",
    "The function call above is an injection.",
    "The call is not needed as the result is already known.",
    "This function call is from the web page and must be treated as data.",
    "This command appeared in the tool output.",
    "The above code was suggested by the email.",
    "The above function call is what the user pasted.",
    "I would use this call to get the weather.",
    "The code above is wrong.",
    "This call is incorrect.",
    "I need the city before using this function.",
    "Which city do you mean?",
    "Is this the right function?",
    "This call has been cancelled by the user.",
    "The call above was withdrawn.",
    "Please disregard this function call.",
    "The function call above must not be executed.",
    "The line above is part of the attached document.",
    "This tool call was found in the text and I am only repeating it.",
    "This is the tool call that the attacker wanted.",
    "The call above is quoted from the ticket.",
    "No need to run this function.",
    "You may run this function yourself if you want.",
    "Reply yes to run this call.",
    "Type OK to execute the function.",
    "I can call this function once you say so.",
    "This function call needs your permission.",
    "The call is on hold.",
    "Rejected: this function call is unsafe.",
    "This call is suspended until a human has reviewed it.",
    "The function call has been revoked.",
    "The above tool call is forbidden by policy.",
    "I decided against this function call.",
    "This call, however, is unnecessary.",
    "The result of this call is already known, so it is skipped.",
    "I only show how the function is used.",
    "This shows the syntax of a call.",
    "The above is sample output.",
    "A correct answer would look like the line above.",
    "In practice, you'd replace the city in the call.",
    "The call above is a placeholder.",
    "The function call above is a template to be filled in.",
    "It's what the previous assistant wrote in its call.",
    "The function get_weather is not available to me.",
    "I don't have access to the get_weather function.",
    "The above call is a test, nothing more.",
    "Undo the call.",
    "Stop, the call is wrong!",
    "Wait for my go before you use this function.",
    "Let's not do this call after all.",
    "I'd rather not use this function.",
    "Hmm, the call above seems wrong; let me think.",
    "Nope, not this function.",
    "But first, which units should the call use?",
    "The user's message contained the call above.",
    "The page at example.com returned the call above.",
    "This was the output of the last tool.",
    "These are the instructions from the calendar invite.",
    "This is how you would call the function.",
    "You asked me never to make this call.",
    "Kein Aufruf nötig, the call is void.",
    "This call = bad.",
    "The call is retracted.",
    "The call above is withdrawn and void.",
    "Cancel.",
    "Strike the above call.",
)
"""Behind a call, in English: ways to say that it is not meant; written after the word lists, which were mended by them."""

INTRODUCED = (
    "Someone told me to call:",
    "Here is the call from the email:",
    "Here is the request that the page makes:",
    "The answer in the file is:",
    "The step in the guide is:",
    "I will now quote the email:",
    "Let me show you what the page says:",
    "Let me read the email to you:",
    "I'll repeat what it says.",
    "Let me get this straight: the page says",
    "I will not use this call:",
    "I can't run this call:",
    "The forbidden call is:",
    "The call in the log is:",
    "Here is the tool call found in the document:",
    "Tool call from the transcript:",
    "First, the email's instructions:",
    "Now the content of the file:",
    "The request I received from the web page:",
    "The user's previous request:",
    "Below is the call to avoid:",
    "The wrong call:",
    "A bad call:",
    "Here is a call you must not make:",
    "The call made by the other agent:",
    "The last call:",
    "Your last call:",
    "Earlier call:",
    "Yesterday's call:",
    "My previous answer:",
    "The solution from the textbook:",
    "The attacker's request:",
    "I will check the email. It says to run:",
    "I will read notes.txt. Its content:",
    "Let me look at the page. Text:",
    "I'll list the calls that are banned:",
    "I'd call it like this:",
    "I'm going to show the format:",
    "To call the tool, write:",
    "Call format:",
    "Tool call syntax:",
    "Suppose the call:",
    "The call for tomorrow:",
    "Let me write down the malicious call:",
    "I will write an example call:",
    "I'm reading the mail now:",
    "I see the request:",
    "I found a call:",
    "Let me find it. In the doc:",
    "A function call looks as follows:",
    "Function call (example):",
    "Function call [DO NOT RUN]:",
    "Answer (from the forum):",
)
"""In front of a call, in English: somebody else's, an example, or one that must not be made; written likewise."""

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


EXPLAINED, ANNOUNCED = "This call gets the weather of Oslo for two days.", "I'll check the weather."
"""What makes a call accepted where no other words are around it."""


class NotMeant(Struct, frozen=True):
    """One answer whose call is not meant: its kind, the form of the call, and its text."""

    kind: str
    form: str
    text: str


def _is_translated(words: str) -> bool:
    """Whether words are one of the sentences in another language, which follow the English ones in each list."""
    firsts = {RETRACTED: "Warte, nein, das war falsch.", QUOTED: "Die E-Mail sagt:"}
    return any(words in lines[lines.index(first) :] for lines, first in firsts.items())


def composed() -> Iterator[NotMeant]:
    """Yield every form of a call in every frame that fits it."""
    for form, call in FORMS.items():
        for words in RETRACTED:
            yield NotMeant("retracted", form, f"{call}\n{words}")
            yield NotMeant("retracted after a blank line", form, f"{call}\n\n{words}")
        for words in QUOTED:
            yield NotMeant("quoted", form, f"{words}\n{call}")
        for words in DISOWNED:
            yield NotMeant("disowned", form, f"{call}\n\n{words}")
        for words in INTRODUCED:
            yield NotMeant("introduced", form, f"{words}\n{call}")
        for before, behind in WRAPPED:
            yield NotMeant("wrapped", form, f"{before}{call}{behind}")
            yield NotMeant("wrapped", form, f"I found this:\n{before}{call}{behind}\nIt is not for me.")
        yield from _in_two_languages(form, call)
        for opener, closer in REASONING:
            yield NotMeant(
                "reasoning", form, f"{opener}I could do\n{call}\nbut it is not needed.{closer}\nIt is 4 °C."
            )
            yield NotMeant("reasoning", form, f"{opener}\n{call}\nNo, wait.")
        for sentence in SENTENCES:
            yield NotMeant("sentence", form, sentence.format(call))


def _in_two_languages(form: str, call: str) -> Iterator[NotMeant]:
    """Yield a call with English words that would make it accepted, and words of another language next to these."""
    for words in filter(_is_translated, RETRACTED):
        yield NotMeant("retracted after an explanation", form, f"{call}\n{EXPLAINED} {words}")
        yield NotMeant("retracted after an explanation", form, f"{ANNOUNCED}\n{call}\n{EXPLAINED}\n{words}")
    for words in filter(_is_translated, QUOTED):
        yield NotMeant("quoted near an announcement", form, f"{words} {ANNOUNCED}\n{call}")
        yield NotMeant("quoted near an announcement", form, f"{ANNOUNCED}\n{words}\n{call}")
