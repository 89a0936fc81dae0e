"""Which words around a call are known: those that only announce it, and those that only explain it.

Invariant: words are doubted by default. What is not recognised, in any language, leaves a doubt; the lists below
say what is known, and what takes a known sentence back.
"""

import re
from collections.abc import Set as AbstractSet

NEAR = 600
"""Characters behind a call in which its explanation is looked for."""
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
    rf"\b(?:{_SAYER}|let me|let's|let\u2019s|let us|the (?:tool|function) (?:can|will))\b(?P<rest>.{{0,80}})",
    re.IGNORECASE,
)
_GERUND = re.compile(
    r"\A(?:(?:ok|okay|sure|now|first|next|then)\b[\s,.!-]{0,3}){0,3}(?P<verb>[a-z]{2,14})ing\b", re.IGNORECASE
)
_PRESENTED = re.compile(
    r"\A(?:(?:sure|certainly|of course|ok|okay|so|and|then|now)\b[\s,.!-]{0,3}){0,3}"
    r"(?:(?:here|below)(?:'s|\u2019s| is| are) |(?:tool|function) calls?\b|(?:the|my|this)\b).{0,60}?"
    r"\b(?:calls?|answers?|solutions?|action|step|request)\b[^.:?!]{0,80}?(?:\bis|\bare)?\s*[:.]?\Z",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"\A(?:sure(?: thing)?|ok(?:ay)?|certainly|of course|absolutely|alright|great|hi|hello|yes|thanks?(?: you)?"
    r"|no problem|and|also|then|next|finally|first|second|thought|plan|answer|response|action|one moment(?: please)?"
    r"|just a moment)\W*\Z",
    re.IGNORECASE,
)
_TAKEN_FOR_WORDS = re.compile(r"[*_`]+")
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")
_CLAUSE = re.compile(r"[,;\u2014]\s|\s-\s")
_ODD = re.compile(r"<[/!|A-Za-z\u25c1]|~~|```|/\*|\[/?[A-Z]{2,}|\u25c1|(?:^|\n)\s*(?://|#|--|>|\|)")
"""Tags, strike-through, fences, comments, quotation and tables in front of a call: it may be inside of them."""
_FOREIGN = re.compile(
    r"\b(?:examples?|instances?|e\.g|hypothe\w+|suppos\w+|imagin\w+|pretend\w*|says|said|quot\w+|told|would|if you"
    r"|ignor\w+|shall i|should i|never|refus\w+|according|cancel\w* (?:it|this|that)|instead of|rather than)\b"
    r"|\?\s*\Z",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:not|no|nor|cannot|if|unless|might|may|could|maybe|perhaps|format|syntax|template|illustrat\w+|show\w*"
    r"|demonstrat\w+|explain\w*|like this|like so|previous\w*|earlier|already|was|were|did|had|wrote|written|wait)"
    r"\b|n['\u2019]t\b",
    re.IGNORECASE,
)


def doubt_before(before: str, own: AbstractSet[str]) -> str:
    """Return why the words before a call leave a doubt that it is meant, "" where they only announce it.

    `own` are the words of the name of its tool.
    """
    said = before[-FAR:]
    if not said.strip(" \t\r\n*_`-:\u2014"):
        return ""
    if _ODD.search(said) or said.count('"') % 2 or said.count("\u201c") != said.count("\u201d"):
        return "it may be inside of what is before it"
    sentences = [each.strip() for each in _SENTENCE.split(_TAKEN_FOR_WORDS.sub("", said)) if each.strip(" -")]
    if any(each.endswith(":") and not _announces(each, own) for each in sentences):
        return "the words before it don't announce it"
    if any(_FOREIGN.search(each) for each in sentences[-3:]) or not any(
        _announces(each, own) for each in sentences[-2:]
    ):
        return "the words before it don't announce it"
    return ""


def _announces(sentence: str, own: AbstractSet[str]) -> bool:
    """Whether a sentence, by its last clause, says that a call will be made now."""
    if _GREETING.match(sentence) or _PRESENTED.match(sentence):
        return not _UNSURE.search(sentence)
    clauses = [clause for clause in _CLAUSE.split(sentence) if clause.strip()]
    return any(_does(clause.strip(), own) for clause in clauses[-2:]) and not _UNSURE.search(clauses[-1])


def _does(clause: str, own: AbstractSet[str]) -> bool:
    if said := _ANNOUNCED.search(clause):
        words = re.findall(r"[a-z]+", said["rest"].lower())[:6]
        return any(_stem(word) in _STEMS or word in own for word in words)
    gerund = _GERUND.match(clause)
    return gerund is not None and (_stem(gerund["verb"].lower()) in _STEMS or gerund["verb"].lower() in own)


def _stem(word: str) -> str:
    """A verb without the endings that announcements use."""
    for ending in ("ing", "e"):
        word = word.removesuffix(ending)
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


_STEMS = frozenset(map(_stem, _DOING))

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
_ENGLISH = frozenset(
    "the this that these those which with and are from by has have it its following above below here been being".split()  # noqa: SIM905
)
_COMMON = frozenset(
    "a an of is in to for on at as be can will not no or if after before when each all one two you your i we function"  # noqa: SIM905
    " functions code line call calls called returns return parameter parameters argument arguments using used output"
    " value values note explanation calculates retrieves finds given set result results list python question".split()
)
_EXPLAINS = re.compile(
    r"\b(?:functions?|code|lines?|calls?|called|calling|commands?|tools?|quer(?:y|ies)|requests?|parameters?"
    r"|arguments?|returns?|invoke[sd]?|outputs?|results?|retriev\w+|calculat\w+|uses?|used|comput\w+|finds?|lists?"
    r"|above|explanation|solution|moment|asked for)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_GOES_ON = re.compile(r"[ \t]*[a-z]|[ \t]*[,;:)](?!\s*\n)|[ \t]+[-\u2013\u2014]")
_JUNK = re.compile(r"(?:[\s\"')\]};.,*_#-]|`+(?:[a-z_]{1,12}(?=\s*\Z))?)*")


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
    return "" if _explains(near, own) else "the words behind it don't explain it"


def _explains(near: str, own: AbstractSet[str]) -> bool:
    """Whether words are English that is about the call: its tool, its arguments, what it returns."""
    words = [word.lower() for word in _WORD.findall(near)]
    strong = sum(word in _ENGLISH for word in words)
    common = sum(word in _COMMON for word in words)
    is_understood = strong > 0 and (strong + common) * 5 >= len(words)
    paragraph = _PARAGRAPH_END.split(near, 1)[0]
    return is_understood and (_EXPLAINS.search(paragraph) is not None or bool(own & set(words)))
