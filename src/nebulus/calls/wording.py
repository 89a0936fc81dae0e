"""Which words around a call are known: those that only announce it, and those that only explain it.

Invariant: words are doubted by default. What is not recognised, in any language, leaves a doubt; the lists below
say what is known, and what takes a known sentence back.
"""

import re
from collections.abc import Set as AbstractSet

from nebulus.calls.language import COMMON, FUNCTION_WORDS, infinitive, is_foreign, stem

NEAR = 600
"""Characters behind a call in which its explanation is looked for."""
SENTENCE = 400
"""Characters of a sentence that are looked at: at its end in front of a call, at its beginning behind one."""
FAR = 6000
"""Characters on each side of a call that are searched for words that take it back."""

_DOING = frozenset(
    "add analyse analyze answer apply assist begin book break build calculate call cancel check close collect"  # noqa: SIM905
    " compute consult continue convert copy count create delete determine do download edit estimate execute"
    " extract fetch figure fill filter find fix follow gather generate get go help identify inspect invoke issue"
    " list load locate look make modify move obtain open order pay perform place plan predict proceed process"
    " produce provide pull put query read remove request resolve retrieve review run save scan schedule search"
    " see send set solve sort start store submit summarise summarize take transfer translate try update upload"
    " use verify visit write".split()
)
_SAYER = r"(?:i|we)(?:'ll|\u2019ll| will| shall|'m| am| are| need| have| must| can| should|'d like| want)"
_ANNOUNCED = re.compile(
    rf"\b(?:{_SAYER}|let me|let's|let\u2019s|let us|the (?:tool|function) (?:can|will))\b(?P<verbs>.{{0,80}})",
    re.IGNORECASE,
)
_GERUND = re.compile(
    r"\A(?:(?:ok|okay|sure|now|first|next|then)\b[\s,.!-]{0,3}){0,3}(?P<verbs>[a-z]{2,14}ing)\b",
    re.IGNORECASE,
)
_PRESENTED = re.compile(
    r"\A(?:(?:sure|certainly|of course|ok|okay|so|and|then|now)\b[\s,.!-]{0,3}){0,3}"
    r"(?:(?:here|below)(?:'s|\u2019s| is| are) )?(?:the |my |an? )?"
    r"(?:(?:function|tool|api|required|requested|corresponding|necessary|appropriate|correct|right|final|next|first|json"
    r"|python|following)[ -]){0,3}(?:calls?|answers?|solutions?|action|step|request|code|function|command|line)"
    r"(?: (?:to (?P<aim>[a-z]+)|for (?:this|that|the|your|it)|that (?:will|can)|you need)\b[^.:?!]{0,80}?)?"
    r"(?: (?:is|are)(?: as follows| below| this)?)?\s*[:.]?\Z",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"\A(?:sure(?: thing)?|ok(?:ay)?|certainly|of course|absolutely|alright|great|hi|hello|yes|thanks?(?: you)?"
    r"|no problem|and|so|also|then|next|finally|first|second|thought|plan|answer|response|action|one moment(?: please)?"
    r"|just a moment|one sec(?:ond)?|right away|on it|here you go|hi there)\W*\Z",
    re.IGNORECASE,
)
_TAKEN_FOR_WORDS = re.compile(r"[*_`]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_VERB = re.compile(r"[A-Za-z]+")
_CLAUSE = re.compile(r"[,;\u2014]\s|\s-\s")
_ODD = re.compile(r"<[/!|A-Za-z\u25c1]|~~|```|/\*|\[/?[A-Z]{2,}|\u25c1|(?:^|\n)[ \t]*(?://|#|--|>|\|)")
"""Tags, strike-through, fences, comments, quotation and tables in front of a call: it may be inside of them."""
_FOREIGN = re.compile(
    r"\b(?:examples?|instances?|e\.g|hypothe\w+|suppos\w+|imagin\w+|pretend\w*|says|said|quot\w+|told|would|if you"
    r"|ignor\w+|shall i|should i|never|refus\w+|according|cancel\w* (?:it|this|that)|instead of|rather than)\b"
    r"|\?\s*\Z",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:not|no|nor|cannot|if|unless|might|may|could|maybe|perhaps|previous\w*|earlier|already|was|were|did|had|wait"
    r"|doubt|fail\w*)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
"""In front of the verb of an announcement: it is denied, past, or depends on something."""
_SHOWN = re.compile(
    r"\b(?:format|syntax|template|illustrat\w+|show\w*|demonstrat\w+|explain\w*|like this|like so|wrote|written|wrong|bad"
    r"|malicious|forbidden|banned|fake|attack\w*|injected|avoid)\b",
    re.IGNORECASE,
)
"""In an announcement: what follows is shown, and not done."""


_CONDITIONAL = re.compile(
    r"\A(?:but |and |only )?(?:if|unless|once|until|when(?:ever)?|after|as soon as|should)\b"
    r"|\b(?:as soon as|only (?:if|when|after)|(?:if|once|when|until|unless) (?:you|we|they|it|the user|approved|asked))\b",
    re.IGNORECASE,
)
"""In an announcement: it is not now that the call will be made."""
_ABOUT_TEXT = re.compile(
    r"\b(?:this|that|the|these|following|below)\s(?:\w{1,20}\s)?(?:call|text|string|snippet|payload|markup)\b"
    r"(?! (?:is|are|to)\b)",
    re.IGNORECASE,
)
"""In an announcement: the object is what follows, as a text."""


def doubt_before(before: str, own: AbstractSet[str]) -> str:
    """Return why the words before a call leave a doubt that it is meant, "" where they only announce it.

    `own` are the words of the name of its tool.
    """
    said = before[-FAR:]
    if not said.strip(" \t\r\n*_`-:\u2014"):
        return ""
    if _ODD.search(said) or said.count('"') % 2 or said.count("\u201c") != said.count("\u201d"):
        return "it may be inside of what is before it"
    if is_foreign(said, own, KNOWN_VERBS):
        return "not all words before it are known"
    sentences = [
        each.strip()[-SENTENCE:]
        for each in _SENTENCE.split(_TAKEN_FOR_WORDS.sub("", said))
        if each.strip(" -")
    ]
    if any(each.endswith(":") and not _announces(each, own) for each in sentences):
        return "the words before it don't announce it"
    if any(_FOREIGN.search(each) for each in sentences[-3:]) or not any(
        _announces(each, own) for each in sentences[-2:]
    ):
        return "the words before it don't announce it"
    return ""


def _announces(sentence: str, own: AbstractSet[str]) -> bool:
    """Whether a sentence, by its last clauses, says that a call will be made now; what a colon introduces does not count."""
    head, colon, more = sentence.partition(": ")
    if colon and more.strip():
        sentence = head + ":"
    if _SHOWN.search(sentence) or _CONDITIONAL.search(sentence):
        return False
    clauses = [clause.strip() for clause in _CLAUSE.split(sentence) if clause.strip()]
    for clause in (sentence, *clauses[-1:]):
        presented = _PRESENTED.match(clause)
        if _GREETING.match(clause) or (
            presented and (not presented["aim"] or _is_doing(presented["aim"], own))
        ):
            return not _UNSURE.search(clause)
    return any(_does(clause, own) for clause in clauses[-2:])


def _does(clause: str, own: AbstractSet[str]) -> bool:
    said = _ANNOUNCED.search(clause) or _GERUND.match(clause)
    if said is None:
        return False
    verbs = list(_VERB.finditer(clause, said.start("verbs")))[:6]
    done = next((verb for verb in verbs if _is_doing(verb.group(), own)), None)
    if done is None or _UNSURE.search(clause[: done.end()]):
        return False
    if _ABOUT_TEXT.search(clause) and not any(stem(verb.group().lower()) in _MAKING for verb in verbs):
        return False
    return not clause.endswith(":") or all(
        stem(verb.group().lower()) not in _TELLING or verb.group().lower() in own for verb in verbs
    )


def _is_doing(verb: str, own: AbstractSet[str]) -> bool:
    return stem(verb.lower()) in _STEMS or verb.lower() in own


_STEMS = frozenset(map(stem, _DOING))
_MAKING = frozenset(
    map(
        stem,
        ("make", "use", "invoke", "issue", "execute", "run", "perform", "place", "send", "generate"),
    )
)
"""What is done with a call itself."""
_TELLING = frozenset(
    map(stem, ("read", "see", "look", "list", "review", "write", "copy", "answer", "put", "give"))
)
"""What they announce, with a colon, is the text itself: "I'll read the mail:"."""

_TURNED = re.compile(
    r"(?:\A|[.!?\n\"'(-]\s{0,2})(?:oh|ah|hmm?|no|but|actually|sorry)?[\s,.!-]{0,3}(?:wait\b(?! for| a moment)|hold on\b"
    r"|stop\b|oops\b|nope\b|no[,.!])"
    r"|\bnever ?mind\b|\bon second thoughts?\b|\bscratch (?:that|this)\b|\bcancel(?:s|led|ed|ling)? (?:that|this|it|the)\b"
    r"|\b(?:disregard|ignore) (?:that|this|it|the|what|my|all|everything)\b|\bmy mistake\b|\bchanged? my mind\b",
    re.IGNORECASE,
)
"""Words that take back what was said, wherever in the rest of the answer they are."""
_MAY_TURN = re.compile(
    r"wait|hold|stop|oops|no(?:pe|[,.!])|never|second|scratch|cancel|disregard|ignore|mistake|my mind"
)
"""A quick look, in lower case, whether one of them can be there."""
_NOT_MEANT = re.compile(
    r"\bcancel|\bdisregard|\bignor(?:e|ed|ing)\b|\bsorry\b|\bapologi|\bundo\b|\babort|\bmistaken"
    r"|\b(?:do not|don['\u2019]t|did not|didn['\u2019]t|won['\u2019]t|will not|not going to|should not|shouldn['\u2019]t"
    r"|must not|cannot|can['\u2019]t|not to be|never|not) (?:actually |really |be |been |to |have )*(?:run|ran|execut|call"
    r"|sen[dt]|ma[dk]e\b|do\b|done|follow|obey|meant|mean\b|intended|proceed)"
    r"|\bfor illustration|\bjust an? (?:example|illustration)|\(example\)|\bexample of (?:a|the|how)\b"
    r"|\binstead of (?:running|calling|this|that)\b",
    re.IGNORECASE,
)
_LEFT_OPEN = re.compile(
    r"\blet me know (?:if|whether) (?:you(?:'d| would)? (?:want|like|wish|agree|approve)|i |this|that|it)"
    r"|\blet me know (?:when|once|before)|\b(?:please|you|your|for|to) confirm(?:ation)?\b(?! the answer)|\bapprov(?:e|al)"
    r"|\b(?:your|for|need) permission|\bwaiting for|\bawait|\bgo ahead|\bproceed\?|\bonce you|\bbefore i\b"
    r"|\bif you(?:'d| would)? (?:want me|like me|agree|wish|approve|say)|\b(?:shall|should|may|(?<!how )can) (?:i|we)\b"
    r"|\bdo you want|\bwould you (?:like|want|prefer)|\bare you sure|\bok(?:ay)? with|\bask me\b|\bunless you|\bpending\b"
    r"|\byour consent|\bis (?:that|this|it) (?:ok|right|fine|correct)",
    re.IGNORECASE,
)
_FROM_ELSEWHERE = re.compile(
    r"\b(?:says|said|quot(?:e|es|ed|ing)\b)"
    r"|\b(?:was|were|is|are|comes?|came|taken|copied|found|written|as|shown|according)\b[^.!?\n]{0,20}"
    r"\b(?:in|from|by|to|of) (?:the|that|this|a|an|your|my) (?:[\w-]+ )?(?:e-?mail|mail|document|page|web ?site|attacker"
    r"|ticket|comment|transcript|log|article|manual|docs?|documentation|note|notes|injection|prompt|message|file|user)\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not|never|nor|no|cannot|would|might|could|may|unless|wrong|incorrect|invalid|void|bad|fake|mock"
    r"|dummy|test|examples?|hypothetical\w*|illustrat\w+|demo\w*|sample output|templates?|placeholders?|inject\w+"
    r"|attack\w*|malicious|phishing|suspicious|unsafe|dangerous|forbidden|banned|denied|blocked|disabled|reject\w+"
    r"|revoked?|withdr\w+|retract\w*|suspend\w+|skip\w*|hold|unnecessary|irrelevant|superfluous|deprecated|missing"
    r"|unclear|previous\w*|already|instead|against|rather|looks?|pasted|quot\w+|appeared|contained|wrote"
    r"|said|says|told|asked me|wants?|wanted|refuse\w*|the user|e-?mails?|attached|a human|yourself)\b|n['\u2019]t\b|[?=]\s*\Z",
    re.IGNORECASE,
)
"""Words with which a first sentence does more than explain."""
_DISOWNED = re.compile(
    r"\binject\w*|\battack\w*|\bmalicious|\bphishing|\btraining data\b|\bclaim(?:s|ed)\b|\bif you (?:allow|let|permit|are)\b"
    r"|\balready (?:known|know|have)\b|\bknow already\b|\bwe know\b|\bwithdrawn\b|\bcopied from\b",
    re.IGNORECASE,
)
"""Anywhere in a first sentence: the call is somebody else's, or is not needed."""
_LABELS = re.compile(
    r"(?:(?:(?:\w{1,40} ){0,2}explanation|note|answer|solution|code|output|python)\b[\s:*]{1,4}|\W)+",
    re.IGNORECASE,
)
_LEADS = (
    r"(?:(?:please )?note that\s+|it(?:'s| is) important to note that\s+|here,?\s+|so,?\s+"
    r"|(?!if|unless|once|until|when|but|wait|no|after|before|should|were|had|the|this|these|each|both|all|it|they|that)[a-z]+\b[^,.!?\n]{0,100},\s+)?"
)
_CALL_NOUN = (
    r"(?:code|functions?|lines?|calls?|commands?|tools?|query|queries|snippet|script|solution|outputs?|results?"
    r"|parameters?|arguments?|list|program|answer|requests?|calculations?|questions?|tasks?|problems?|statement|response|representation|way|\S{0,80}[A-Za-z][._][A-Za-z]\S{0,80}|\w{1,80}\(\)|`\w{1,80}`|\"\w{1,80}\"|'\w{1,80}')"
)
_ABOUT_CALL = re.compile(rf"(?<!\S){_CALL_NOUN}(?![\w-])", re.IGNORECASE)
_SUBJECT = re.compile(
    rf"{_LEADS}(?:(?:this|these|it|they|that)\s+|(?:the|this|these|each|both|all|it's|one)\b(?:\s{{1,20}}\S{{1,80}}){{0,8}}?\s{{1,20}}"
    rf"{_CALL_NOUN}\s{{1,20}}|(?:\w{{1,80}}\(\)|`\w{{1,80}}`|\w{{0,80}}[A-Za-z][._]\w{{1,80}})\s{{1,20}}(?:function\s{{1,20}})?)(?P<rest>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_STATE = re.compile(
    r"(?:(?:is|are|be)\s*[:`\[]|(?:is|are)\s+(?:just\s+|simply\s+)?an?\s+(?:representation|simplified)\b|(?:is|are)\s+(?!being)(?P<doing>[a-z]+)ing\b|needs? to be (?:called|invoked)|is to (?:call|invoke|use)"
    r"|(?:will|can)\s+(?:also\s+|then\s+)?be\s*(?::|(?:used|utilized|called|invoked|returned|executed|run|calculated|solved|performed|an?\b|the\b|in\b))"
    r"|(?:is|are)\s+(?:being\s+|then\s+|also\s+)?(?:used|called|calling|invoked|expected|calculated|designed|provided|set"
    r"|passed|given|made|performed|named|wrapped|obtained|executed|stored|able|in the|from|\d|an? (?:function|call|single"
    r"|python|list|line)|the (?:function|call|line|python|code|one|only|list|required|correct|solution|output|area|answer))"
    r"|should\s+be\s+(?:called|invoked|run)\b|(?:has|have)\s+(?:been\s+)?(?:called|invoked|made|used|passed|two|three|all)\b"
    r"|should be:|(?:will|can)\s+(?:also\s+)?(?P<base>[a-z]+)|(?P<third>[a-z]+s)\b)",
    re.IGNORECASE,
)
_PRESENTS = re.compile(
    rf"(?:it['\u2019]s|it is|this is|these are|here (?:is|are)) (?:\S{{1,80}} ){{0,4}}?{_CALL_NOUN}(?![\w-])"
    r"|if (?:the function|no function|there (?:is|are) no)\b",
    re.IGNORECASE,
)
_BY_CALLING = re.compile(
    rf"\b(?:is|are|be)\s(?:\w{{1,40}}ed|found)\s(?:using|by (?:calling|invoking|using))\s(?:\S{{1,80}}\s){{0,6}}?{_CALL_NOUN}(?![\w-])"
    r"|\b(?:is|are) (?:calculated|computed|returned)\b",
    re.IGNORECASE,
)
_WE_DO = re.compile(
    r"\bwe(?:['\u2019]re| are| can| will| have| need to| should)?\s(?P<verb>[a-z]+)", re.IGNORECASE
)
_QUOTATION = re.compile(r"\"[^\"\n]*\"|`[^`\n]*`|(?<!\w)'[^'\n]*'(?!\w)")
_CONDITION = re.compile(r"if (?:the|no|there)\b.*\b(?:return|output)", re.IGNORECASE)
"""What is given back in a case that may come: prompts ask for such words."""
_NEXT_VERB = re.compile(r"\s(?=(?:will|can|is|are|has|have|should|[a-z]{1,40}s)\b)", re.IGNORECASE)
_OURSELVES = re.compile(
    rf"{_LEADS}(?:i|we)\b(?:['\u2019]\w+| have| am| are| will| can| need to| just)*(?: (?:just|then|now|simply))?"
    r"\s(?:us(?:ed?|ing)|call(?:ed|ing)?|invok(?:ed?|ing)|ask(?:ed)? for|requested|fetch\w*|convert\w*|pass\w*|created|included)\b"
    r"|please wait\b|(?:one|just a) moment\b",
    re.IGNORECASE,
)
_PERSONAL = re.compile(
    r"(?:i|we|you|please|but|yet|however|hmm+|well|oh|let|that|he|she|what|it)\b", re.IGNORECASE
)
KNOWN_VERBS = _STEMS | {
    "return", "represent", "tak", "giv", "mean", "requir", "accept", "pass", "specif", "utiliz", "output", "defin",
    "implement", "evaluat", "invok", "divid", "multipl", "plot", "draw", "train", "look", "correspond", "trigger",
    "depict", "fit", "ask", "assum", "us", "depend",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n\s{0,99}\n")
_GOES_ON = re.compile(r"[ \t]*+(?:[a-z]|[,;:)](?!\s{0,99}\n)|(?<=[ \t])[-\u2013\u2014])")
_JUNK = re.compile(
    r"(?:</tools>|\[[^\[\]\n]{0,40}\](?=\s{0,99}(?:\Z|\n|[\[`#]))|[\s\"')\]};.,*_#-]|`+(?:[a-z_]{1,12}(?=\s{0,99}\Z))?)*"
)


_WAITING = re.compile(r"(?:please wait|(?:one|just a) moment)(?:,? please)?[\s.!\u2026]*", re.IGNORECASE)
_CODE = re.compile(r"[={}\[\]<>_|\\#]|\w\(")
_SYMBOL = re.compile(r"[\u2190-\u2bff\U0001f000-\U0001faff]")
NEXT = 3
"""So many sentences behind a call are looked at for such remarks."""
SHORT = 6
"""A sentence of so few words behind an explanation is a remark: "On hold.", "Standing by."."""


def doubt_behind(behind: str, own: AbstractSet[str]) -> str:
    """Return why the words behind a call leave a doubt that it is meant, "" where they only explain it."""
    junk = _JUNK.match(behind)
    said = behind[junk.end() : FAR] if junk else behind[:FAR]
    if not said:
        return ""
    if _GOES_ON.match(behind):
        return "the sentence goes on behind it"
    near = said[:NEAR]
    if (_MAY_TURN.search(said.lower()) and _TURNED.search(said)) or _NOT_MEANT.search(near):
        return "the words behind it take it back"
    if _LEFT_OPEN.search(near) or _FROM_ELSEWHERE.search(near):
        return "the words behind it leave it open"
    if is_foreign(near, own, KNOWN_VERBS):
        return "not all words behind it are known"
    if _GREETING.match(near) or _WAITING.fullmatch(near):
        return ""
    if not _explains(near, own):
        return "the words behind it don't explain it"
    return "a remark behind it is not known" if _is_remarked(near, own) else ""


def _is_remarked(near: str, own: AbstractSet[str]) -> bool:
    """Whether a short sentence next to the first one says something else than what the call is about."""
    for sentence in _SENTENCE.split(near)[1:NEXT]:
        words = {word.lower() for word in _WORD.findall(sentence)}
        is_short = (
            len(words) <= SHORT
            and not sentence.lstrip().startswith("```")
            and not _CODE.search(sentence)
            and not sentence.rstrip().endswith(":")
        )
        is_known = bool(own & words) or _GREETING.match(sentence) or _OURSELVES.match(sentence)
        if (
            is_short
            and not is_known
            and not _says_what_it_does(sentence)
            and (words or _SYMBOL.search(sentence))
        ):
            return True
    return False


def _explains(near: str, own: AbstractSet[str]) -> bool:
    """Whether words are English that explains: what the call does, or what it is about."""
    labels = _LABELS.match(near)
    first = _SENTENCE_END.split(near[labels.end() :] if labels else near, 1)[0][:SENTENCE]
    if not first:
        return not _SYMBOL.search(near)
    words = [word.lower() for word in _WORD.findall(near)]
    strong = sum(word in FUNCTION_WORDS for word in words)
    common = sum(word in COMMON for word in words)
    if not strong or (strong + common) * 7 < len(words):
        return False
    if _DISOWNED.search(_QUOTATION.sub("x", first)):
        return False
    if _says_what_it_does(first):
        return True
    is_condition = _CONDITION.match(first) is not None
    if _DENIED.search(_QUOTATION.sub("x", first)) and not is_condition:
        return False
    if _OURSELVES.match(first) or _PRESENTS.match(first) or _BY_CALLING.search(first):
        return True
    if any(_is_doing(match["verb"], own) for match in _WE_DO.finditer(first)):
        return True
    is_topic = not _ABOUT_CALL.search(first) and not _PERSONAL.match(first)
    return is_topic and bool(own & set(_WORD.findall(first.lower())))


def _says_what_it_does(sentence: str) -> bool:
    """Whether the subject of a sentence is the call, and a verb says what it does."""
    subject = _SUBJECT.match(sentence)
    rest = subject["rest"] if subject else ""
    for _ in range(6):
        state = _STATE.match(rest)
        if state is not None:
            verb = state["base"] or state["third"] or state["doing"]
            if verb is None or stem(infinitive(verb.lower())) in KNOWN_VERBS:
                head = sentence[: len(sentence) - len(rest) + state.end()]
                return _DENIED.search(_QUOTATION.sub("x", head)) is None
        following = _NEXT_VERB.search(rest)
        if following is None:
            return False
        rest = rest[following.end() :]
    return False
