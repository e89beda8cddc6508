"""Articles, filings and earnings calls whose tone follows a planted mood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.engines.scoring.text import text_hash
from gnosis.sessions import schedule
from gnosis.simulate.draws import check_seed, date_keys, keyed_uniform, stream, text_keys
from gnosis.simulate.volatility import persistent_factor
from gnosis.simulate.wording import sentences

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from numpy.typing import NDArray

OUTLETS = ["Newswire", "Market Daily", "Sector Review"]
CALL_SENTENCES = 5
DOCUMENTS = pl.DataFrame(
    {
        "kind": ["earnings_prepared", "earnings_qa", "filing"],
        "sessions_later": [0, 0, 3],
        "minutes_after_close": [60, 105, 30],
        "minutes_to_known": [120, 120, 1],
        "mood_shift": [0.4, -0.4, 0.0],
    }
)
"""What every quarter brings: when, counted from the close before the session in which the call can be used, and how
much better or worse it sounds than the company's mood."""


def news_items(
    symbols: Sequence[str], sessions: Sequence[dt.date], seed: int, articles_per_session: float = 0.5
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return generated articles, and for every quarter one earnings call of two sections and one filing.

    The mood of a symbol is a persistent standard normal m, independent of prices. A sentence is positive with
    probability 0.8 / (1 + exp(-m)), negative with 0.8 / (1 + exp(m)), otherwise neutral. The call begins an hour after
    a close, an early one included, two to seven weeks after the end of the quarter; the answers follow 45 minutes later
    and each part is known two hours after it begins. The prepared part sounds better (m + 0.4) than the answers
    (m - 0.4). Articles appear in the 24 hours before a session's close.

    Parameters
    ----------
    symbols, sessions
        Whom and when the news are about.
    seed
        Integer >= 0.
    articles_per_session
        Expected number of articles per symbol and session, > 0.

    Returns
    -------
    frame : polars.DataFrame
        Columns of raw.news, sorted by (session, symbol, item_id).
    truth : polars.DataFrame
        ``session``, ``symbol``, ``mood``.

    Raises
    ------
    ValueError
        When ``articles_per_session`` is not positive or the seed is not an integer >= 0.

    Examples
    --------
    >>> from gnosis.sessions import sessions_between
    >>> import datetime as dt
    >>> frame, _ = news_items(["AAA"], sessions_between(dt.date(2012, 1, 3), dt.date(2012, 12, 31)), seed=7)
    >>> frame["kind"].value_counts().sort("kind").rows()
    [('article', 133), ('earnings_prepared', 4), ('earnings_qa', 4), ('filing', 4)]
    """
    check_seed(seed)
    if not articles_per_session > 0:
        raise ValueError(f"expected articles_per_session > 0, found {articles_per_session}")
    calendar = schedule().select("session", "close_at").with_row_index("place")
    names = sorted(set(symbols))
    moods = pl.concat(
        calendar.select(
            "session",
            "place",
            symbol=pl.lit(name),
            mood=persistent_factor(stream(seed, "news.mood", name).standard_normal(calendar.height), 0.95),
        )
        for name in names
    )
    wanted = pl.col("session").is_in(pl.Series(sessions, dtype=pl.Date).implode())
    truth = moods.filter(wanted).drop("place").sort("session", "symbol")
    articles = _articles(
        truth.join(calendar, on="session", how="left", maintain_order="left"), seed, articles_per_session
    )
    events = _quarterly(calendar, names, seed).join(moods, on=["place", "symbol"], how="inner", maintain_order="left")
    quarterly = _quarterly_texts(events.filter(wanted), seed)
    frame = pl.concat([articles, quarterly]).select(
        *("session", "symbol", "item_id", "kind", "event_id", "outlet", "ts"),
        pl.Series(list(map(text_hash, pl.concat([articles["text"], quarterly["text"]]))), dtype=pl.String).alias(
            "text_hash"
        ),
        "text",
        "known_at",
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
    return frame.sort("session", "symbol", "item_id"), truth


def _articles(rows: pl.DataFrame, seed: int, per_session: float) -> pl.DataFrame:
    from scipy.special import pdtrik

    chance = keyed_uniform(seed, "news.count", text_keys(rows["symbol"]), date_keys(rows["session"]))
    counts = np.maximum(np.ceil(pdtrik(chance, per_session)), 0).astype(np.int64)
    rows = rows.with_columns(number=pl.int_ranges(pl.Series(counts))).explode(
        "number", empty_as_null=False, keep_nulls=False
    )
    keys = (text_keys(rows["symbol"]), date_keys(rows["session"]), rows["number"].to_numpy())
    seconds = (keyed_uniform(seed, "news.time", *keys) * 86_000).astype(np.int64) + 301
    outlet = (keyed_uniform(seed, "news.outlet", *keys) * len(OUTLETS)).astype(np.int64)
    text = _sentence("news", rows["mood"].to_numpy(), seed, keys)
    return rows.select(
        "session",
        "symbol",
        item_id=pl.format("{}-{}-{}", "symbol", "session", "number"),
        kind=pl.lit("article"),
        event_id=pl.lit(None, dtype=pl.String),
        outlet=pl.Series(np.array(OUTLETS)[outlet]),
        ts=pl.col("close_at") - pl.Series(seconds) * pl.duration(seconds=1),
        text=pl.lit(text).str.replace("{symbol}", pl.col("symbol"), literal=True),
    ).with_columns(known_at=pl.col("ts") + pl.duration(minutes=5))


def _quarterly(calendar: pl.DataFrame, symbols: list[str], seed: int) -> pl.DataFrame:
    """Return one row per symbol, quarter and document: ``place`` of its session, ``event_id``, ``ts``, ``known_at``."""
    ends = calendar.select(end=pl.col("session").dt.month_end()).filter(pl.col("end").dt.month() % 3 == 0).unique()
    quarters = (
        ends.sort("end")
        .with_columns(due=pl.col("end").dt.offset_by("14d"))
        .join_asof(calendar.select("session", "place"), left_on="due", right_on="session", strategy="forward")
        .drop_nulls("place")
        .join(pl.DataFrame({"symbol": symbols}), how="cross", maintain_order="left_right")
    )
    delay = keyed_uniform(seed, "news.call", text_keys(quarters["symbol"]), date_keys(quarters["end"])) * 25
    before = calendar.select(pl.col("place") + 1, closed_at="close_at")
    return (
        quarters.with_columns(call=pl.col("place") + pl.Series(delay.astype(np.int64)))
        .join(DOCUMENTS, how="cross", maintain_order="left_right")
        .select(
            "symbol",
            "kind",
            "mood_shift",
            "minutes_to_known",
            "minutes_after_close",
            place=(pl.col("call") + pl.col("sessions_later")).cast(pl.UInt32),
            event_id=pl.format("{}-{}Q{}", "symbol", pl.col("end").dt.year(), pl.col("end").dt.quarter()),
        )
        .join(before, on="place", how="inner", maintain_order="left")
        .with_columns(ts=pl.col("closed_at") + pl.duration(minutes="minutes_after_close"))
        .with_columns(known_at=pl.col("ts") + pl.duration(minutes="minutes_to_known"))
    )


def _quarterly_texts(events: pl.DataFrame, seed: int) -> pl.DataFrame:
    mood = (events["mood"] + events["mood_shift"]).to_numpy()
    own = (text_keys(events["event_id"]), text_keys(events["kind"]))
    parts = [
        _sentence("calls", mood, seed, (*own, np.full(events.height, number, dtype=np.uint64)))
        for number in range(CALL_SENTENCES)
    ]
    calls = pl.DataFrame({str(number): part for number, part in enumerate(parts)}).select(
        pl.concat_str(pl.all(), separator=" ")
    )
    filing = _sentence("filings", mood, seed, own)
    is_filing = pl.col("kind") == "filing"
    return events.select(
        "session",
        "symbol",
        item_id=pl.format("{}-{}", "event_id", "kind"),
        kind="kind",
        event_id=pl.when(is_filing).then(None).otherwise("event_id"),
        outlet=pl.lit(None, dtype=pl.String),
        ts="ts",
        text=pl.when(is_filing)
        .then(pl.lit(filing).str.replace("{symbol}", pl.col("symbol"), literal=True))
        .otherwise(pl.lit(calls.to_series())),
        known_at="known_at",
    )


def _sentence(
    kind: str, mood: NDArray[np.float64], seed: int, keys: tuple[NDArray[np.uint64] | NDArray[np.int64], ...]
) -> pl.Series:
    """Return the drawn sentence of each row, ``{symbol}`` still open."""
    words = sentences(kind)
    starts = np.cumsum([0, *map(len, words)])
    tone_draw, draw = (keyed_uniform(seed, f"{kind}.{name}", *keys) for name in ("tone", "sentence"))
    positive = 0.8 / (1 + np.exp(-mood))
    tone = np.where(tone_draw < positive, 0, np.where(tone_draw < 0.8, 1, 2))
    chosen = starts[tone] + (draw * np.diff(starts)[tone]).astype(np.int64)
    lines = pl.Series([line for of_tone in words for line in of_tone])
    return lines.gather(chosen)
