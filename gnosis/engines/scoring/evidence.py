"""Rules that find what a text says for and against: what moved and which way, values compared, events and states.

A statement is what stands between two breaks: the ends of the sentence, a semicolon or colon, 'but', 'while' and the
like. Evidence is counted in tokens, as if each were a positive or negative word.
"""

from __future__ import annotations

from math import isnan, log
from typing import NamedTuple

from gnosis.engines.scoring.tokens import Token, sentences
from gnosis.engines.scoring.vocabulary import Part, Vocabulary

# Reaches are numbers of words, numbers and marks.
REACH = {
    "before": 20,
    "after": 4,
    "state": 3,
    "negation": 3,
    "intention": 10,
    "percent": 3,
    "bracket": 4,
    "comparison": 10,
    "range": 6,
}
# How many tokens a rule's finding counts for.
TOKENS = {"moved": 4.0, "compared": 3.0, "swing": 3.0, "state": 2.0, "by_itself": 2.0, "percent": 1.0}
FACTORS = {"negated": -0.5, "intended": 0.25}
NEUTRAL = {"text": 1.0, "sentence": 0.5}
# Between a profit and a loss; 'against' also insures.
SWINGS = frozenset({"compared", "comparing", "versus", "vs", "from"})
LOSSES = frozenset({"loss", "losses", "deficit", "deficits"})
# Between what was and what is, after 'from'.
_ARRIVALS = frozenset({"to", "into"})
# A movement does not look beyond these for what moved after it.
_ENDS_AFTER = frozenset(Part) - {Part.THING, Part.STATE, Part.INTENTION}
_ENDS_STATE = _ENDS_AFTER - {Part.MOVEMENT, Part.EVENT, Part.NEGATION}
_ENDS_SWING = frozenset({Part.BREAK, Part.MOVEMENT})


class Evidence(NamedTuple):
    """Tokens for each side."""

    positive: float
    negative: float
    neutral: float


def evidence(normalised: str, vocabulary: Vocabulary) -> Evidence:
    """Return the evidence in a normalised text.

    Neutral evidence is 1 token for a text and half a token for each sentence that says nothing for or against.

    Examples
    --------
    >>> from gnosis.engines.scoring.vocabulary import vocabulary
    >>> words = vocabulary()
    >>> evidence("operating profit rose to eur 13.1 mn from eur 8.7 mn.", words)
    Evidence(positive=7.0, negative=0.0, neutral=1.0)
    >>> evidence("the net loss narrowed. the company makes paper.", words)
    Evidence(positive=4.0, negative=0.0, neutral=1.5)
    >>> evidence("costs did not fall", words)
    Evidence(positive=0.0, negative=2.0, neutral=1.0)
    """
    positive = negative = 0.0
    neutral = NEUTRAL["text"]
    for sentence in sentences(normalised, vocabulary):
        good, bad = _of_sentence(sentence)
        positive += good
        negative += bad
        if not good and not bad:
            neutral += NEUTRAL["sentence"]
    return Evidence(positive, negative, neutral)


def _of_sentence(tokens: list[Token]) -> tuple[float, float]:
    good = bad = 0.0
    explained: set[int] = set()
    for k, token in enumerate(tokens):
        part = token.part
        if part is Part.EVENT:
            points = token.value
        elif part is Part.MOVEMENT:
            points = _moved(tokens, k, explained)
        elif part is Part.STATE:
            points = _state(tokens, k, explained)
        elif part is Part.COMPARISON or part is Part.BRACKET:
            points = _compared(tokens, k, explained)
        else:
            continue
        points *= _factor(tokens, k, points) if points else 0.0
        good, bad = good + max(points, 0.0), bad + max(-points, 0.0)
    for k, token in enumerate(tokens):
        if token.part is Part.THING and abs(token.value) == 2 and k not in explained:
            points = _sign(token.value) * TOKENS["by_itself"]
            points *= _factor(tokens, k, points)
            good, bad = good + max(points, 0.0), bad + max(-points, 0.0)
    return good, bad


def _sign(value: float) -> float:
    return float((value > 0) - (value < 0))


def _factor(tokens: list[Token], k: int, points: float) -> float:
    """Return by what negation and intention before a finding multiply it."""
    factor, is_intended = 1.0, False
    for j in range(k - 1, -1, -1):
        token, near = tokens[j], tokens[k].at - tokens[j].at
        if token.part is Part.BREAK or near > REACH["intention"]:
            break
        if token.part is Part.NEGATION and near <= REACH["negation"] and factor == 1.0:
            factor = FACTORS["negated"]
        is_intended |= token.part is Part.INTENTION
    return factor * FACTORS["intended"] if is_intended and points * factor > 0 else factor


def _moved(tokens: list[Token], k: int, explained: set[int]) -> float:
    """Return direction times polarity of what moved: the thing right after the movement, else the last one before."""
    movement = tokens[k]
    thing = _thing_after(tokens, k, REACH["after"], _ENDS_AFTER)
    if thing is None:
        thing = _thing_before(tokens, k, REACH["before"])
    if thing is not None:
        explained.add(thing)
        return TOKENS["moved"] * _sign(movement.value) * _sign(tokens[thing].value)
    points = movement.value
    for j in range(k + 1, len(tokens)):
        if tokens[j].at - movement.at > REACH["percent"]:
            break
        if tokens[j].part is Part.NUMBER and tokens[j].scale == 0.0:
            return points + _sign(points) * TOKENS["percent"]
    return points


def _state(tokens: list[Token], k: int, explained: set[int]) -> float:
    """Return the sign of a state times the polarity of the thing that it is a state of."""
    state = tokens[k]
    is_strong = abs(state.value) == 2
    thing = _thing_after(tokens, k, REACH["state"], _ENDS_STATE)
    if thing is None:
        return state.value if is_strong else 0.0
    explained.add(thing)
    return _sign(state.value) * _sign(tokens[thing].value) * TOKENS["state"]


def _compared(tokens: list[Token], k: int, explained: set[int]) -> float:
    """Return whether a value is better than the one that it is compared with, or a profit follows on a loss.

    Read are 'X, compared with Y', 'X from Y', 'X (Y)' and 'from Y to X', where X and Y are of one kind: both percent,
    or both amounts; an amount without a unit has that of the other.
    """
    word = tokens[k]
    if word.word == "from" and (turn := _turn(tokens, k)):
        explained.update(turn)
        return TOKENS["swing"] * _sign(tokens[turn[1]].value)
    is_bracket = word.part is Part.BRACKET
    now = _number_before(tokens, k)
    earlier = _number_after(tokens, k, REACH["bracket" if is_bracket else "comparison"])
    if word.word == "from" and earlier is not None:
        then = _number_after(tokens, earlier, REACH["range"])
        if then is not None and _arrives(tokens, earlier, then):
            now = then
    thing = _thing_before(tokens, k, REACH["before"])
    if thing is None:
        return 0.0
    polarity = _sign(tokens[thing].value)
    if word.word in SWINGS:
        other = _thing_after(tokens, k, REACH["range"], _ENDS_SWING)
        if other is not None and _are_opposite(tokens[thing], tokens[other]):
            explained.update((thing, other))
            return TOKENS["swing"] * polarity
    if now is None or earlier is None or not polarity:
        return 0.0
    new, old = tokens[now], tokens[earlier]
    if (new.scale == 0.0) != (old.scale == 0.0):
        return 0.0
    explained.add(thing)
    return TOKENS["compared"] * _sign(_amount(new, old) - _amount(old, new)) * polarity


def _turn(tokens: list[Token], k: int) -> tuple[int, int] | None:
    """Return places of the loss and the profit, or the other way round, of 'from Y to X'; None without both."""
    was = _thing_after(tokens, k, REACH["range"], _ENDS_SWING)
    if was is None:
        return None
    now = _thing_after(tokens, was, REACH["comparison"], _ENDS_SWING)
    if now is None or not _arrives(tokens, was, now) or not _are_opposite(tokens[was], tokens[now]):
        return None
    return was, now


def _arrives(tokens: list[Token], was: int, now: int) -> bool:
    return any(token.part is Part.STOP and token.word in _ARRIVALS for token in tokens[was:now])


def _are_opposite(one: Token, other: Token) -> bool:
    """Return whether one is a loss and the other something that is good to have."""
    return one.value * other.value == -2 and any(not LOSSES.isdisjoint(token.word.split()) for token in (one, other))


def _amount(number: Token, other: Token) -> float:
    """Return a number in single units; one without a unit has that of the other if this brings the two nearer."""
    if number.scale != 1.0 or other.scale <= 1.0 or not number.value or not other.value:
        return number.value * (number.scale or 1.0)
    size = abs(other.value) * other.scale
    return min((number.value, number.value * other.scale), key=lambda amount: abs(log(abs(amount) / size)))


def _thing_after(tokens: list[Token], k: int, reach: int, ends: frozenset[Part]) -> int | None:
    for j in range(k + 1, len(tokens)):
        token = tokens[j]
        if token.at - tokens[k].at > reach or token.part in ends:
            return None
        if token.part is Part.THING:
            return j
    return None


def _thing_before(tokens: list[Token], k: int, reach: int) -> int | None:
    for j in range(k - 1, -1, -1):
        token = tokens[j]
        if token.part is Part.BREAK or tokens[k].at - token.at > reach:
            return None
        if token.part is Part.THING:
            return j
    return None


def _number_before(tokens: list[Token], k: int) -> int | None:
    for j in range(k - 1, -1, -1):
        token = tokens[j]
        if token.part is Part.BREAK or tokens[k].at - token.at > REACH["comparison"]:
            return None
        if token.part is Part.NUMBER and not isnan(token.scale):
            return j
    return None


def _number_after(tokens: list[Token], k: int, reach: int) -> int | None:
    for j in range(k + 1, len(tokens)):
        token = tokens[j]
        if token.part is Part.BREAK or token.at - tokens[k].at > reach:
            return None
        if token.part is Part.NUMBER and not isnan(token.scale):
            return j
    return None
