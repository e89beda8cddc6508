"""The words, numbers and marks of a normalised text that play a part in a statement, sentence by sentence."""

from __future__ import annotations

import re
from typing import NamedTuple

from gnosis.engines.scoring.vocabulary import Part, Vocabulary

_TOKEN = re.compile(
    r"(?P<tag>[$@][a-z_][\w.]*)"
    r"|(?P<number>(?P<currency>[€$£¥]|\b(?:eur|euros?|usd|gbp|sek|dkk|nok|chf|cad|jpy|rs)[ .]?)?(?P<minus>(?<!\w)-)?"
    r"(?<![\w.])(?P<digits>\d[\d,]*(?:\.\d+)?)\s?"
    r"(?P<unit>%|(?:per cent|percentage points?|percent|pct|million|billion|trillion|thousand|mln|bln|mn|bn|tn|[mbk])"
    r"\b)?)"
    r"|(?P<word>[^\W\d_][\w&]*(?:['-][\w&]+)*)"
    r"|(?P<end>[.!?]+(?=\s|$)|\.\.\.)"
    r"|(?P<semicolon>[;:](?=\s|$))|(?P<comma>,)|(?P<bracket>\()"
)
_SCALES = {"thousand": 1e3, "k": 1e3, "trillion": 1e12, "tn": 1e12}
_SCALES |= dict.fromkeys(("million", "mln", "mn", "m"), 1e6) | dict.fromkeys(("billion", "bln", "bn", "b"), 1e9)
_MARKS = {"semicolon": Part.BREAK, "comma": Part.COMMA, "bracket": Part.BRACKET}
# What is longer is a serial number or an account.
MAX_DIGITS = 20


class Token(NamedTuple):
    """A word, number or mark.

    Attributes
    ----------
    at
        Position in the sequence of all words, numbers and marks of the text.
    part
        What it is.
    value
        Of the vocabulary, or the number as it is written.
    scale
        Of a number: what its unit multiplies it by (1e6 for 'mn'); 0 for percent; NaN when nothing says what it
        measures, as with a year or a day of the month, and then it is compared with nothing.
    word
        As written, empty for numbers and marks.
    """

    at: int
    part: Part
    value: float = 0.0
    scale: float = 1.0
    word: str = ""


def sentences(normalised: str, vocabulary: Vocabulary) -> list[list[Token]]:
    """Return the tokens of each sentence of a normalised text; words that play no part are left out.

    Examples
    --------
    >>> from gnosis.engines.scoring.vocabulary import vocabulary
    >>> [[token.word or token.value for token in s] for s in sentences("sales rose 5 %. the net loss?", vocabulary())]
    [['sales', 'rose', 5.0], ['net loss']]
    """
    found: list[list[Token]] = []
    sentence: list[Token] = []
    is_open = False
    matches = list(_TOKEN.finditer(normalised))
    at = 0
    while at < len(matches):
        match = matches[at]
        kind = match.lastgroup
        used = 1
        if kind == "end":
            if is_open:
                found.append(sentence)
            sentence, is_open = [], False
        elif kind == "word":
            is_open = True
            used, word, entry = _look_up(matches, at, vocabulary)
            if entry is not None and entry[0] is not Part.VOID:
                sentence.append(Token(at, *entry, word=word))
        elif kind == "number":
            is_open = True
            sentence.append(_number(at, match))
        elif kind in _MARKS:
            sentence.append(Token(at, _MARKS[kind]))
        at += used
    if is_open:
        found.append(sentence)
    return found


def _look_up(
    matches: list[re.Match[str]], at: int, vocabulary: Vocabulary
) -> tuple[int, str, tuple[Part, float] | None]:
    """Return how many words the longest entry from here takes, the entry, its part and value."""
    word: str = matches[at]["word"]
    entries = vocabulary.entries
    for length in range(min(vocabulary.longest.get(word, 1), len(matches) - at), 1, -1):
        following = [match["word"] for match in matches[at : at + length]]
        if None not in following:
            phrase = " ".join(following)
            if phrase in entries:
                return length, phrase, entries[phrase]
    entry = entries.get(word)
    if entry is None and "-" in word:
        entry = entries.get(word.rpartition("-")[2])
    if entry is None and word.endswith("'s"):
        entry = entries.get(word[:-2])
    return 1, word, entry


def _number(at: int, match: re.Match[str]) -> Token:
    digits, unit = match["digits"], match["unit"]
    value = float(digits.replace(",", ""))
    if match["minus"]:
        value = -value
    if len(digits) > MAX_DIGITS:
        scale = float("nan")
    elif unit in _SCALES:
        scale = _SCALES[unit]
    elif unit is not None:
        scale = 0.0
    elif match["currency"] or "." in digits or "," in digits.rstrip(","):
        scale = 1.0
    else:
        scale = float("nan")
    return Token(at, Part.NUMBER, value, scale)
