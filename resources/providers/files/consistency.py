"""What a description of one source must say, and may not say, given the table that it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from gnosis.tables import TABLES
from resources.providers.files.known_at import (
    AfterQuote,
    AfterTs,
    AtClose,
    Evening,
    FromColumn,
    NextMorning,
    ReleaseLag,
    Strict,
)

if TYPE_CHECKING:
    from resources.providers.files.config import SourceSpec

TEXTS = {"raw.posts": "post_id", "raw.news": "item_id"}
"""Tables of texts, and the column with the identifier of one."""

OF_INSTANTS = frozenset({"raw.intraday_bars", "raw.order_books", "raw.trades", *TEXTS})
"""Tables whose rows have an instant in the file; their session follows from it."""

BOOK_FORMATS = frozenset({"lobster", "cryptofeed", "tardis_snapshot"})
DERIVED = frozenset({"ts", "known_at", "provider", "synthetic", "oi_session", "is_vintage"})
"""Columns that the provider fills in by rule unless a source gives them."""

OWN_KEYS = {
    "quotedata": {"underlying", "delay_minutes", "chain_rules"},
    **{name: {"book"} for name in BOOK_FORMATS},
}
"""Keys of the formats that need no mapping, besides path, format and reject."""


def contradiction(table: str, source: SourceSpec) -> str | None:
    """Return what is wrong with a source: what was expected, what was found and what to do. None when nothing is."""
    if source.format in OWN_KEYS:
        given = source.model_fields_set - {"path", "format", "reject", *OWN_KEYS[source.format]}
        served = "raw.option_quotes" if source.format == "quotedata" else "raw.order_books"
        if table != served or given:
            return f"expected format {source.format} for {served} and without {sorted(given)}; remove them"
        return None
    schema = TABLES[table].columns
    stated = set(source.columns) | set(source.constants)
    named = stated | set(source.values) | set(source.scale)
    if unknown := sorted(named - set(schema)):
        return f"expected columns of the table {sorted(schema)}, found {unknown}; correct the names"
    if both := sorted(set(source.columns) & set(source.constants)):
        return f"expected each column in either columns or constants, found {both} in both; remove one"
    derived = DERIVED - {"ts"} if table in OF_INSTANTS else DERIVED
    given = set(stated)
    if source.adjustment:
        given.add("adjustment_factor")
    if table == "raw.macro":
        given.add("session")
    if table in OF_INSTANTS:
        if "session" in stated:
            return "expected no session in columns or constants, found one: it follows from the instant; remove it"
        given = (given | {"session"}) - ({"ts"} - source.columns.keys())
    if table in TEXTS:
        given |= {TEXTS[table], *({"text_hash"} if "text" in stated else ())}
        if {"text", "text_hash"} <= stated:
            return "expected either text or text_hash in columns, found both: the hash follows from the text; remove it"
    if missing := [c for c, d in schema.items() if not d.nullable and c not in derived and c not in given]:
        return (
            f"expected a source of every column that may not be missing, found none of {missing}; add them to columns"
        )
    for column, value in source.constants.items():
        try:
            pl.Series([value]).cast(schema[column].dtype)
        except (pl.exceptions.PolarsError, TypeError):
            return f"expected constants.{column} to be {schema[column].dtype}, found {value!r}; correct it"
    return _problem_of_time(table, source)


def _problem_of_time(table: str, source: SourceSpec) -> str | None:
    rules: dict[str, tuple[type[Strict], ...]] = {
        "raw.equity_bars": (AtClose, NextMorning, FromColumn),
        "raw.index_levels": (AtClose, NextMorning, FromColumn),
        "raw.option_quotes": (AfterQuote, NextMorning, FromColumn),
        "raw.macro": (ReleaseLag, FromColumn),
        "raw.dividends": (AtClose, NextMorning, FromColumn),
        "raw.short_volume": (Evening, NextMorning, FromColumn),
        "raw.dix": (Evening, NextMorning, FromColumn),
        **dict.fromkeys(OF_INSTANTS, (AfterTs, FromColumn)),
    }
    if source.known_at is not None and not isinstance(source.known_at, rules[table]):
        return f"known_at rule {source.known_at.rule!r} does not apply to {table}; choose another"
    if table == "raw.macro" and source.known_at is None:
        return "expected known_at with rule release_lag or column, found none; macro values are published late"
    if table in ("raw.dix", *TEXTS) and source.known_at is None:
        return f"expected known_at, found none; state when a row of {table} was there to be read"
    if table == "raw.option_quotes" and ("ts" in source.columns) == (source.quote_time is not None):
        return "expected the quote instant from either columns.ts or quote_time, found both or neither"
    only = {"bar_stamp": "raw.intraday_bars", "sum_over": "raw.short_volume", "book": "the formats of order books"}
    if misplaced := sorted(only.keys() & source.model_fields_set - {key for key, of in only.items() if of == table}):
        return f"{misplaced[0]} applies to {only[misplaced[0]]} only; remove it"
    if source.quote_time and table != "raw.option_quotes":
        return "quote_time applies to raw.option_quotes only; remove it"
    if source.chain_rules and table != "raw.option_quotes":
        return "chain_rules apply to raw.option_quotes only; remove them"
    if source.adjustment and table != "raw.equity_bars":
        return "adjustment applies to raw.equity_bars only; remove it"
    return None
