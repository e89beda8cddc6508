"""One form of a text for all: what is hashed is what is scored."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata

_URL = re.compile(r"(?:https?://|www\.)\S+|\b(?:pic\.twitter\.com|t\.co|stks\.co|bit\.ly)/\S+")
_MENTION = re.compile(r"(?<!\w)@\w+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})


def normalise(text: str) -> str:
    """Return the form of a text in which copies of it are equal.

    Entities decoded, Unicode NFKC, lower case, curly quotes and dashes straight, invisible characters and addresses of
    pages left out (shorteners make a new one for each copy), mentions without their name, white space collapsed.
    Cashtags and hashtags stay: the same words about another symbol are another statement.

    Examples
    --------
    >>> normalise("RT @trader: $AAPL\\u2019s  margin \\uff15% &amp; up! https://t.co/x1Y")
    "rt @: $aapl's margin 5% & up!"
    """
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).translate(_QUOTES))
    text = text.lower()
    if "@" in text:
        text = _MENTION.sub("@", text)
    return " ".join(_URL.sub(" ", text).split())


def text_hash(text: str) -> str:
    """Return the SHA-256 of the normalised text in UTF-8, as 64 hexadecimal digits.

    Examples
    --------
    >>> text_hash("Profit ROSE https://t.co/a") == text_hash("profit  rose https://t.co/b")
    True
    >>> text_hash("Profit rose")[:12]
    'defbece61478'
    """
    return normalised_hash(normalise(text))


def normalised_hash(normalised: str) -> str:
    """Return the SHA-256 of a text that is normalised already."""
    return hashlib.sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()
