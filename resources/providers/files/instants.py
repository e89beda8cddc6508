"""Rows that have an instant: the session that they belong to, and what follows from their text."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

import polars as pl

from gnosis.engines.scoring.text import text_hash
from gnosis.sessions import schedule
from resources.providers.files.consistency import TEXTS
from resources.providers.files.known_at import AfterTs
from resources.providers.files.timing import with_session
from resources.providers.rejections import NOT_A_SESSION, OUTSIDE_REGULAR_SESSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from resources.providers.files.config import SourceSpec

MINUTES = {"1min": 1, "5min": 5}


def placed(rows: pl.DataFrame, table: str, source: SourceSpec) -> pl.DataFrame:
    """Add ``known_at``, ``session`` and ``rule|``, the rule that a row breaks, null when it breaks none.

    The session is the first one whose close is at or after the instant that counts: ``ts`` of bars, books and trades,
    round the clock; ``known_at`` of posts and news, so that a session never holds a text that it could not have read.
    Bars that do not lie within the regular session are ``outside_regular_session``.
    """
    if table == "raw.intraday_bars" and source.bar_stamp == "start":
        rows = rows.with_columns(pl.col("ts") + _length())
    if "known_at" not in rows.columns:
        delay = source.known_at.delay_minutes if isinstance(source.known_at, AfterTs) else 0.0
        rows = rows.with_columns(known_at=pl.col("ts") + dt.timedelta(minutes=delay))
    rows = with_session(rows, "known_at" if table in TEXTS else "ts")
    rule = pl.when(pl.col("session").is_null()).then(pl.lit(NOT_A_SESSION)).otherwise(None)
    if table == "raw.intraday_bars":
        rows = rows.join(schedule().select("session", "open_at"), on="session", how="left", maintain_order="left")
        early = pl.col("ts") - _length() < pl.col("open_at")
        rule = pl.coalesce(rule, pl.when(early).then(pl.lit(OUTSIDE_REGULAR_SESSION)))
    return rows.with_columns(rule.alias("rule|"))


def _length() -> pl.Expr:
    minutes = pl.col("frequency").cast(pl.String).replace_strict(MINUTES, return_dtype=pl.Int64)
    return minutes * pl.duration(minutes=1)


def identified(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Add the hash of each text, hash the authors, and identify texts that came without an identifier.

    The identifier is then the SHA-256 of instant, author and text: a text that is delivered again has it again.
    """
    if "text" in rows.columns:
        rows = rows.with_columns(text_hash=_mapped(rows["text"].fill_null(""), text_hash))
    if "author_hash" in rows.columns:
        rows = rows.with_columns(author_hash=_mapped(rows["author_hash"], _sha256))
    if TEXTS[table] in rows.columns:
        return rows
    author = pl.col("author_hash").fill_null("") if "author_hash" in rows.columns else pl.lit("")
    said = pl.col("text").fill_null("") if "text" in rows.columns else pl.col("text_hash")
    parts = rows.select(pl.concat_str(pl.col("ts").cast(pl.Int64), author, said, separator="|")).to_series()
    return rows.with_columns(_mapped(parts, _sha256).alias(TEXTS[table]))


def _mapped(texts: pl.Series, function: Callable[[str], str]) -> pl.Series:
    """Return ``function`` of each text, computed once for equal ones; null stays null."""
    distinct = texts.drop_nulls().unique()
    values = pl.Series([function(text) for text in distinct], dtype=pl.String)
    return texts.replace_strict(distinct, values, default=None, return_dtype=pl.String)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
