"""Sentences of generated posts and news, by tone: templates whose slots are filled in every combination."""

from __future__ import annotations

import itertools
import string
from functools import lru_cache

TONES = ("positive", "negative", "neutral")

POSTS: dict[str, list[str]] = {
    "positive": [
        "${symbol} looks strong after that {report}, I am buying more",
        "Great {report} from ${symbol}, this is going higher {when}",
        "${symbol} keeps gaining {when}, the trend is excellent",
        "Bullish on ${symbol}, {reason} is improving",
        "${symbol} beat the estimates again and {reason} is growing",
        "Analysts upgrade ${symbol}, they expect better profit {when}",
        "Added ${symbol} calls, the {report} was a positive surprise",
        "Record {report} at ${symbol}, holders are happy {when}",
        "${symbol} rebounds and outperforms the market, {reason} is robust",
        "I like ${symbol} here, {reason} gives it a clear advantage",
    ],
    "negative": [
        "${symbol} looks weak after that {report}, I am selling",
        "Terrible {report} from ${symbol}, this is going lower {when}",
        "${symbol} keeps losing {when}, the decline is not over",
        "Bearish on ${symbol}, {reason} is getting worse",
        "${symbol} missed the estimates again and {reason} is shrinking",
        "Analysts downgrade ${symbol}, they expect a loss {when}",
        "Bought ${symbol} puts, the {report} was a disappointing failure",
        "Poor {report} at ${symbol}, holders worry {when}",
        "${symbol} plunges and lags behind the market, {reason} is deteriorating",
        "I avoid ${symbol} here, {reason} is a serious problem",
    ],
    "neutral": [
        "What do you all think about ${symbol} {when}",
        "${symbol} publishes its {report}, I am only watching",
        "Is anybody else holding ${symbol} {when} or is it just me",
        "Reading about {reason} at ${symbol} while I wait for the open",
        "${symbol} trades near the middle of its range {when}",
        "Question about ${symbol}: when do they publish the {report}",
        "My notes on {reason} at ${symbol} are in the thread",
        "Volume in ${symbol} is about average {when}",
    ],
}
NEWS: dict[str, list[str]] = {
    "positive": [
        "{symbol} raises its outlook as {reason} improves",
        "{symbol} {report} exceeds expectations, shares gain",
        "Profit of {symbol} rises on strong {reason}",
        "Broker upgrades {symbol} and praises {reason}",
    ],
    "negative": [
        "{symbol} cuts its outlook as {reason} weakens",
        "{symbol} {report} misses expectations, shares fall",
        "{symbol} reports a loss on declining {reason}",
        "Broker downgrades {symbol} and warns about {reason}",
    ],
    "neutral": [
        "{symbol} to publish its {report} this month",
        "{symbol} names a new member of its board",
        "{symbol} comments on {reason} at a conference",
    ],
}
CALLS: dict[str, list[str]] = {
    "positive": [
        "We delivered excellent results and {reason} improved in every region.",
        "Our margins expanded and we gained share against strong competitors.",
        "We are pleased with {reason} and confident about the coming quarter.",
        "Profit rose to a record and cash generation was robust.",
    ],
    "negative": [
        "Results were disappointing and {reason} deteriorated in most regions.",
        "Our margins declined and we lost share to competitors.",
        "We are concerned about {reason} and cautious about the coming quarter.",
        "We recorded an impairment and a loss, and cash generation was weak.",
    ],
    "neutral": [
        "We will describe {reason} in the presentation that follows.",
        "The quarter had thirteen weeks, as did the quarter a year ago.",
        "We published the {report} on our website this afternoon.",
    ],
}
FILINGS: dict[str, list[str]] = {
    "positive": ["Quarterly report of {symbol}: revenue increased and {reason} improved over the prior year."],
    "negative": ["Quarterly report of {symbol}: revenue decreased and {reason} declined from the prior year."],
    "neutral": ["Quarterly report of {symbol}: no material change in {reason} since the annual report."],
}
SLOTS = {
    "report": ["quarterly report", "earnings", "guidance", "sales update", "forecast"],
    "reason": [
        "demand",
        "pricing",
        "the backlog",
        "the new product",
        "cash flow",
        "management",
        "the service business",
    ],
    "when": ["today", "this week", "after the close", "next month", "this morning"],
}
ENDINGS = ["", " imo", " fyi"]
"""Endings of posts; the second and third make near copies of what others wrote."""


@lru_cache(maxsize=8)
def sentences(kind: str) -> tuple[tuple[str, ...], ...]:
    """Return the sentences of a kind (posts, news, calls, filings) for each tone, ``{symbol}`` still open.

    Examples
    --------
    >>> [len(of_tone) for of_tone in sentences("posts")], sentences("posts")[0][0]
    ([98, 98, 44], '${symbol} looks strong after that quarterly report, I am buying more')
    """
    templates = {"posts": POSTS, "news": NEWS, "calls": CALLS, "filings": FILINGS}[kind]
    return tuple(tuple(itertools.chain.from_iterable(map(_filled, templates[tone]))) for tone in TONES)


def _filled(template: str) -> list[str]:
    used = [name for _, name, _, _ in string.Formatter().parse(template) if name in SLOTS]
    choices = itertools.product(*(SLOTS[name] for name in used))
    return [template.format(symbol="{symbol}", **dict(zip(used, choice, strict=True))) for choice in choices]
