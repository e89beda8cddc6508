"""Which texts say the same, and what they are about: words, symbols named, near-duplicates."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.points import Integers

Bools = NDArray[np.bool_]

ADDRESS = r"(?i:https?://\S+)"
CASHTAG = r"\$[A-Za-z][A-Za-z.\-]{0,6}"
WORD = r"[\p{L}\p{N}]+(?:['.,][\p{L}\p{N}]+)*"


def words(texts: pl.Series) -> pl.Series:
    """Return the word tokens of each text in lower case; addresses, $SYMBOL and @name are none. Null stays null.

    Examples
    --------
    >>> words(pl.Series(["$AAPL beats by 1.5%, see http://t.co/x", None])).to_list()
    [['beats', 'by', '1.5', 'see'], None]
    """
    return texts.str.to_lowercase().str.replace_all(rf"{ADDRESS}|[$@]\w+", " ").str.extract_all(WORD)


def cashtags(texts: pl.Series) -> pl.Series:
    """Return how many different symbols each text names as $SYMBOL; 0 for null.

    Examples
    --------
    >>> cashtags(pl.Series(["$AAPL over $MSFT, again $aapl", None])).to_list()
    [2, 0]
    """
    named = texts.str.to_uppercase().str.extract_all(CASHTAG).list.eval(pl.element().str.strip_chars_end(".-"))
    return named.list.n_unique().fill_null(0).cast(pl.Int64)


def symbols_named(texts: pl.Series, names: Mapping[str, Collection[str]], stop: Collection[str] = ()) -> pl.Series:
    """Return the symbols that each text names, sorted: as $SYMBOL, or by a name that is a whole token of it.

    Parameters
    ----------
    texts
        Strings, null for none.
    names
        By symbol the tokens that mean it, in any case: the symbol itself, the name of the company.
    stop
        Ordinary words: they name a symbol only behind $.

    Examples
    --------
    >>> names = {"AAPL": ["AAPL", "Apple"], "ALL": ["ALL"], "FB": ["FB", "Facebook"]}
    >>> symbols_named(pl.Series(["Apple and all others", "$ALL up", "FBI"]), names, stop=["all"]).to_list()
    [['AAPL'], ['ALL'], []]
    """
    ordinary = {word.upper() for word in stop}
    meaning = {f"${symbol.upper()}": symbol for symbol in names}
    meaning |= {token.upper(): symbol for symbol in names for token in names[symbol] if token.upper() not in ordinary}
    tokens = texts.str.to_uppercase().str.replace_all(ADDRESS, " ").str.extract_all(rf"\$?{WORD}")
    found = (
        pl.DataFrame({"row": pl.int_range(len(texts), eager=True), "token": tokens})
        .explode("token")
        .with_columns(symbol=pl.col("token").replace_strict(meaning, default=None, return_dtype=pl.String))
        .group_by("row", maintain_order=True)
        .agg(pl.col("symbol").drop_nulls().unique().sort())
    )
    return found["symbol"].alias(texts.name)


def repeats(bucket: Integers, birth: Integers, text: Integers, horizon_us: Integers) -> Bools:
    """Return which documents have the text of an earlier one of their bucket.

    Parameters
    ----------
    bucket, birth
        Of documents sorted by both; microseconds.
    text
        Equal for equal texts.
    horizon_us
        Longest time between two documents that are one.

    Examples
    --------
    >>> repeats(np.zeros(3, int), np.array([0, 5, 20]), np.array([7, 7, 7]), np.full(3, 10)).tolist()
    [False, True, False]
    """
    order = np.lexsort((np.arange(bucket.size), text, bucket))
    same = (bucket[order][1:] == bucket[order][:-1]) & (text[order][1:] == text[order][:-1])
    near = birth[order][1:] - birth[order][:-1] <= horizon_us[order][1:]
    found = np.zeros(bucket.size, dtype=bool)
    found[order[1:]] = same & near
    return found


def near_duplicates(
    tokens: pl.Series, bucket: Integers, birth: Integers, least_similarity: float, horizon_us: int
) -> Bools:
    """Return which texts share, as sets, most of their tokens with an earlier text of their bucket.

    Parameters
    ----------
    tokens
        Lists of tokens, null where the text is unknown; sorted by bucket and birth.
    bucket, birth
        Texts are compared within a bucket when at most ``horizon_us`` apart.
    least_similarity
        Of the sets: size of the intersection over that of the union (Jaccard).

    Examples
    --------
    >>> texts = pl.Series(["a b c d e", "a b c d e f", "a b x"]).str.split(" ")
    >>> near_duplicates(texts, np.zeros(3, int), np.array([0, 1, 2]), 0.8, 10).tolist()
    [False, True, False]
    """
    from gnosis.engines import documents_kernel

    found = np.zeros(bucket.size, dtype=bool)
    known = np.flatnonzero(tokens.is_not_null().to_numpy())
    # A text alone in its bucket resembles none.
    known = known[np.bincount(bucket[known])[bucket[known]] > 1] if known.size else known
    if known.size == 0:
        return found
    sets = tokens.gather(known).list.unique()
    sizes = sets.list.len().to_numpy().astype(np.int64)
    if sizes.sum() == 0:
        return found
    flat = sets.filter(pl.Series(sizes > 0)).explode().cast(pl.Categorical).to_physical().to_numpy()
    _, code, frequency = np.unique(flat, return_inverse=True, return_counts=True)
    # Rare tokens first: texts then meet in few prefixes.
    rank = np.empty(frequency.size, dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(frequency.size)
    owner = np.repeat(np.arange(known.size), sizes)
    ordered = rank[code][np.lexsort((rank[code], owner))]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    found[known] = documents_kernel.near_duplicates(
        starts, ordered, bucket[known], birth[known], frequency.size, least_similarity, horizon_us
    )
    return found
