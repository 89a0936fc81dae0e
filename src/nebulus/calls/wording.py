"""Which words around a call are known: those that only announce it, and those that only explain it.

Invariant: words are doubted by default. What is not recognised, in any language, leaves a doubt; the lists below
say what is known, and what takes a known sentence back. What each pattern is worth: `bench/calls.py ablation`.
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
NEXT = 3
"""So many sentences behind a call are looked at one by one."""
SHORT = 6
"""A sentence of so few words behind an explanation is a remark: "On hold.", "Standing by."."""


def _stems(words: str) -> frozenset[str]:
    return frozenset(map(stem, words.split()))


_DOING = _stems(
    "add analyse analyze answer apply assist begin book break build calculate call cancel check close collect"
    " compute consult continue convert copy count create delete determine do download edit estimate execute"
    " extract fetch figure fill filter find fix follow gather generate get go help identify inspect invoke issue"
    " list load locate look make modify move obtain open order pay perform place plan predict proceed process"
    " produce provide pull put query read remove request resolve retrieve review run save scan schedule search"
    " see send set solve sort start store submit summarise summarize take tell transfer translate try update upload"
    " use verify visit write"
)
"""What one says that one will do with a tool."""
KNOWN_VERBS = _DOING | _stems(
    "return represent take give mean require accept pass specify utilize output define implement evaluate divide"
    " multiply plot draw train correspond trigger depict fit ask assume use depend"
)
"""What a call does, besides."""
_MAKING = _stems("make use invoke issue execute run perform place send generate")
"""What is done with a call itself."""
_TELLING = _stems("read see look list review write copy answer put give tell")
"""What they announce, with a colon, is the text itself: "I'll read the mail:"."""

_SAYER = (
    r"(?:(?:i|we)(?:'ll|\u2019ll| will| shall|'m| am| are| need| have| must| can| should|'d like| want)"
    r"|let me|let's|let\u2019s|let us|the (?:tool|function) (?:can|will)|(?:step|plan|task|action) is to)"
)
_ANNOUNCED = re.compile(rf"\b{_SAYER}\b(?P<verbs>.{{0,80}})", re.IGNORECASE)
_GERUND = re.compile(
    r"\A(?:(?:ok|okay|sure|now|first|next|then)\b[\s,.!-]{0,3}){0,3}(?P<verbs>[a-z]{2,14}ing)\b",
    re.IGNORECASE,
)
_PRESENTED = re.compile(
    r"\A(?:(?:sure|certainly|of course|ok|okay|so|and|then|now)\b[\s,.!-]{0,3}){0,3}"
    r"(?:(?:here|below)(?:'s|\u2019s| is| are) )?(?:the |my |an? )?"
    r"(?:(?:function|tool|api|required|requested|corresponding|necessary|appropriate|correct|right|final|next|first|json"
    r"|python|following)[ -]){0,3}(?:calls?|answers?|solutions?|action|step|request|code|function|command|line|plan)"
    r"(?: (?:to (?P<aim>[a-z]+)|for (?:this|that|the|your|it)|that (?:will|can)|you need)\b[^.:?!]{0,200}?)?"
    r"(?: \d{1,2})?(?: (?:is|are)(?: as follows| below| this)?)?\s*[:.]?\Z",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"\A(?:sure(?: thing)?|ok(?:ay)?|certainly|of course|absolutely|alright|great|hi|hello|yes|thanks?(?: you)?"
    r"|no problem|and|so|also|then|next|finally|first|second|thought|plan|answer|response|action|right away|on it"
    r"|here you go|hi there|(?:please wait|one moment|just a moment|one sec(?:ond)?)(?:,? please)?)\W*\Z",
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
"""Near a call: what follows is not the model's own, or not meant."""
_SHOWN = re.compile(
    r"\b(?:format|syntax|template|illustrat\w+|show\w*|demonstrat\w+|explain\w*|like this|like so|wrote|written|wrong"
    r"|bad|malicious|forbidden|banned|fake|attack\w*|injected|avoid|as soon as|only (?:if|when|after)"
    r"|(?:if|once|when|until|unless) (?:you|we|they|it|the user|approved|asked))\b"
    r"|\A(?:but |and |only )?(?:if|unless|once|until|when(?:ever)?|after|should)\b",
    re.IGNORECASE,
)
"""In an announcement: what follows is shown, and not done; or it depends on something."""
_UNSURE = re.compile(
    r"\b(?:not|no|nor|cannot|if|unless|might|may|could|maybe|perhaps|previous\w*|earlier|already|was|were|did|had|wait"
    r"|doubt|fail\w*)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
"""In front of the verb of an announcement: it is denied, past, or depends on something."""
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
    is_meant = any(_announces(each, own) for each in sentences[-2:]) and all(
        _announces(each, own) for each in sentences if each.endswith(":")
    )
    if not is_meant or any(_FOREIGN.search(each) for each in sentences[-3:]):
        return "the words before it don't announce it"
    return ""


def _announces(sentence: str, own: AbstractSet[str]) -> bool:
    """Whether a sentence, by its last clauses, says that a call will be made now; what a colon introduces does not count."""
    head, colon, more = sentence.partition(": ")
    if colon and more.strip():
        sentence = head + ":"
    if _SHOWN.search(sentence):
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
    return stem(verb.lower()) in _DOING or verb.lower() in own


_TURNED = re.compile(
    r"(?:\A|[.!?\n\"'(-]\s{0,2})(?:oh|ah|hmm?|no|but|actually|sorry)?[\s,.!-]{0,3}(?:wait\b(?! for| a moment)|hold on\b"
    r"|stop\b|oops\b|nope\b|no[,.!])|\bnever ?mind\b|\bon (?:second|reflection)\b|\bscratch (?:that|this)\b|\bmy mind\b"
    r"|\b(?:cancel\w*|disregard|ignore) (?:that|this|it|the|what|my|all|everything)\b|\bmy mistake\b",
    re.IGNORECASE,
)
"""Words that take back what was said, wherever in the rest of the answer they are."""
_RESERVED = re.compile(
    r"\b(?:cancel|disregard|ignor(?:e|ed|ing)\b|sorry|apologi|undo\b|abort|mistake|withdrawn|reject|inject|attack"
    r"|malicious|phishing|training data|for illustration|no longer|approv|(?:your|for|need|without) permission|consent|await"
    r"|waiting for|wait with|go ahead|pending\b|confirmed|sign(?:ed)? (?:it )?off|says\b|said\b|quot(?:e|es|ed|ing)\b"
    r"|claim(?:s|ed)\b|copied from|already (?:known|know|have|in)\b|know already|we know\b|leave it out|copy it|proceed\?"
    r"|(?:please|you|your|for|to) confirm(?:ation)?\b(?! the answer)|are you sure|ask me\b|tell me\b"
    r"|(?:(?:only|just|is) an? |\()(?:example|illustration)|example of (?:a|the|how)\b"
    r"|(?:once|unless|until|before) (?:you|i\b(?! have)|we|they|it is|the|somebody)\b|if you (?:allow|let|permit|agree|wish|say)\b"
    r"|if you(?:'d| would)? (?:want me|like me|approve)|do you want|would you (?:like|want|prefer)"
    r"|(?:shall|should|may|(?<!how )can) (?:i|we)\b|is (?:that|this|it) (?:ok|right|fine|correct)"
    r"|let me know (?:when|once|before|(?:if|whether) (?:i|this|that|it|you(?:'d| would)? (?:want me|like me|agree|approve)))"
    r"|(?:do not|don['\u2019]t|did not|didn['\u2019]t|won['\u2019]t|will not|not going to|should not|shouldn['\u2019]t"
    r"|must not|cannot|can['\u2019]t|not to be|never|no reason|not) (?:actually |really |be |been |to |have )*"
    r"(?:run|ran|execut|call|ask|sen[dt]|ma[dk]e\b|do\b|done|follow|obey|meant|mean\b|intended|proceed)(?!\w{0,20} if the)"
    r"|(?:was|were|is|are|comes?|came|taken|copied|found|written|as|shown|according)\b[^.!?\n]{0,20}"
    r"\b(?:in|from|by|to|of) (?:the|that|this|a|an|your|my) (?:[\w-]{1,40} )?(?:e-?mail|mail|document|page|web ?site|attacker"
    r"|ticket|comment|transcript|log|article|manual|docs?|documentation|notes?|injection|prompt|message|file|user"
    r"|author|policy)\b)",
    re.IGNORECASE,
)
"""Behind a call: it is taken back, leave is asked for, or somebody else wrote it."""
_DENIED = re.compile(
    r"\b(?:not|never|nor|no|cannot|would|might|could|may|unless|wrong|incorrect|invalid|void|bad|fake|mock"
    r"|dummy|test|examples?|hypothetical\w*|illustrat\w+|demo\w*|templates?|suspicious|unsafe|dangerous|forbidden"
    r"|banned|denied|blocked|disabled|revoked?|retract\w*|suspend\w+|skip\w*|hold|unnecessary|irrelevant|deprecated"
    r"|missing|previous\w*|already|instead|against|rather|looks?|pasted|appeared|contained|wrote|told|asked me|wants?"
    r"|wanted|refuse\w*|the user|e-?mails?|attached|a human|yourself)\b|n['\u2019]t\b|[?=]\s*\Z",
    re.IGNORECASE,
)
"""Words with which a first sentence does more than explain."""
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
_QUOTATION = re.compile(r"\"[^\"\n]*\"|`[^`\n]*`|(?<!\w)'[^'\n]*'(?!\w)")
_NEXT_VERB = re.compile(r"\s(?=(?:will|can|is|are|has|have|should|[a-z]{1,40}s)\b)", re.IGNORECASE)
_OURSELVES = re.compile(
    rf"{_LEADS}(?:i|we)\b(?:['\u2019]\w+| have| am| are| will| can| need to| just)*(?: (?:just|then|now|simply))?"
    r"\s(?:us(?:ed?|ing)|call(?:ed|ing)?|invok(?:ed?|ing)|ask(?:ed)? for|requested|fetch\w*|convert\w*|pass\w*|created|included)\b",
    re.IGNORECASE,
)
_PERSONAL = re.compile(r"\b(?:i|we|you)\b", re.IGNORECASE)
_CLOSING = re.compile(
    r"(?:please wait\b|(?:one|just a) moment\b|(?:please )?let me know if you (?:need|have|want) (?:any|more|further|help)|(?:i )?hope (?:this|that|it) helps"
    r"|(?:please )?feel free to ask|once i have [^.!?\n]{0,60}, i(?:'ll|\u2019ll| will) (?:answer|tell|let you know|give)"
    r"|i(?:'ll|\u2019ll| will) (?:tell|let) you\b)",
    re.IGNORECASE,
)
"""Courtesy behind a call, and what follows from it."""
_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n\s{0,99}\n")
_GOES_ON = re.compile(r"[ \t]*+(?:[a-z]|[,;:)](?!\s{0,99}\n)|(?<=[ \t])[-\u2013\u2014])")
_JUNK = re.compile(
    r"(?:</tools>|\[[^\[\]\n]{0,40}\](?=\s{0,99}(?:\Z|\n|[\[`#]))|[\s\"')\]};.,*_#-]|`+(?:[a-z_]{1,12}(?=\s{0,99}\Z))?)*"
)
_CODE = re.compile(r"[={}\[\]<>_|\\#]|\w\(")
_SYMBOL = re.compile(r"[\u2190-\u2bff\U0001f000-\U0001faff]")


def doubt_behind(behind: str, own: AbstractSet[str]) -> str:
    """Return why the words behind a call leave a doubt that it is meant, "" where they only explain it."""
    junk = _JUNK.match(behind)
    said = behind[junk.end() : FAR] if junk else behind[:FAR]
    if not said:
        return ""
    if _GOES_ON.match(behind):
        return "the sentence goes on behind it"
    near = said[:NEAR]
    if _TURNED.search(said) or _RESERVED.search(near):
        return "the words behind it take it back or leave it open"
    if is_foreign(near, own, KNOWN_VERBS):
        return "not all words behind it are known"
    if not _GREETING.match(near) and not _explains(near, own):
        return "the words behind it don't explain it"
    following = _SENTENCE.split(near)[1 : None if len(said) <= NEAR else -1][: NEXT - 1]
    return "a remark behind it is not known" if any(_is_remark(each, own) for each in following) else ""


def _is_remark(sentence: str, own: AbstractSet[str]) -> bool:
    """Whether a sentence is short and says something else than what the call is about."""
    words = {word.lower() for word in _WORD.findall(sentence)}
    is_short = len(words) <= SHORT and (words or _SYMBOL.search(sentence))
    if not is_short or _CODE.search(sentence) or "```" in sentence or sentence.rstrip().endswith(":"):
        return False
    is_known = own & words or any(each.match(sentence) for each in (_GREETING, _OURSELVES, _CLOSING))
    return not is_known and not _says_what_it_does(sentence)


def _explains(near: str, own: AbstractSet[str]) -> bool:
    """Whether words are English that explains: what the call does, or what it is about."""
    labels = _LABELS.match(near)
    first = _SENTENCE_END.split(near[labels.end() :] if labels else near, 1)[0][:SENTENCE]
    if not first:
        return not _SYMBOL.search(near)
    if _CLOSING.match(first):
        return True
    words = [word.lower() for word in _WORD.findall(near)]
    strong = sum(word in FUNCTION_WORDS for word in words)
    common = sum(word in COMMON for word in words)
    if not strong or (strong + common) * 7 < len(words):
        return False
    if _says_what_it_does(first):
        return True
    is_topic = own & set(_WORD.findall(first.lower())) and not _PERSONAL.search(first)
    return bool(is_topic or _OURSELVES.match(first)) and not _DENIED.search(_QUOTATION.sub("x", first))


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
