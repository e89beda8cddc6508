"""Cells are what is asked for and answered: a symbol in a session. Asks are cells, cut to what a service takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache

import polars as pl

from gnosis.symbols import INDEX_CHAINS, ROOTS, InvalidSymbolError, kind_of
from gnosis.tables import TABLES
from resources.providers.live.service import Ask, Capability

CELLS = pl.Schema({"symbol": pl.String, "session": pl.Date})
NO_SYMBOL = ""


@cache
def symbol_column(table: str) -> str | None:
    """Return the column that names what a row is about, None for tables of the whole market.

    Examples
    --------
    >>> symbol_column("raw.equity_bars"), symbol_column("raw.macro"), symbol_column("raw.dix")
    ('symbol', 'series_id', None)
    """
    return next((name for name in ("symbol", "series_id") if name in TABLES[table].polars_schema), None)


def cells_of(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return ``symbol`` (empty where the table has none) and ``session`` of every row, in the order of the rows."""
    column = symbol_column(table)
    return frame.select(symbol=pl.lit(NO_SYMBOL) if column is None else pl.col(column), session="session")


def every_cell(symbols: Sequence[str], sessions: Sequence[dt.date]) -> pl.DataFrame:
    """Return ``symbols`` x ``sessions``, sorted.

    Examples
    --------
    >>> every_cell(["B", "A"], [dt.date(2012, 12, 28)])["symbol"].to_list()
    ['A', 'B']
    """
    by_symbol = pl.DataFrame({"symbol": sorted(set(symbols))}, schema={"symbol": pl.String})
    by_session = pl.DataFrame({"session": sorted(set(sessions))}, schema={"session": pl.Date})
    return by_symbol.join(by_session, how="cross")


def without(cells: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return the cells that are not among the others."""
    return cells.join(others, on=list(CELLS), how="anti", maintain_order="left")


def among(cells: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return the cells that are among the others."""
    return cells.join(others, on=list(CELLS), how="semi", maintain_order="left")


def is_among(cells: pl.DataFrame, others: pl.DataFrame) -> pl.Series:
    """Return for each cell whether it is among the others."""
    marked = others.select(list(CELLS)).unique().with_columns(is_among=pl.lit(True))
    return cells.join(marked, on=list(CELLS), how="left", maintain_order="left")["is_among"].fill_null(False)


def is_of_kind(cells: pl.DataFrame, table: str, capability: Capability) -> pl.Series:
    """Return for each cell whether the service may have its symbol: one of a kind that it has, or of none known.

    Examples
    --------
    >>> chains = every_cell(["AAPL", "SPX"], [dt.date(2012, 12, 28)])
    >>> shares = Capability(1, 1, 0.0, kinds=frozenset({"equity"}))
    >>> is_of_kind(chains, "raw.option_quotes", shares).to_list()
    [True, False]
    """
    kinds, symbols = capability.kinds, cells["symbol"]
    if kinds is None:
        return pl.repeat(True, cells.height, dtype=pl.Boolean, eager=True)
    others = [symbol for symbol in symbols.unique() if _kind(symbol, table) not in {*kinds, None}]
    return ~symbols.is_in(others)


def _kind(symbol: str, table: str) -> str | None:
    # A chain is named by its root, which stands for what it is on.
    named = ROOTS[symbol].underlying if table == "raw.option_quotes" and symbol in INDEX_CHAINS else symbol
    try:
        return kind_of(named)
    except InvalidSymbolError:
        return None


def cut(cells: pl.DataFrame, table: str, capability: Capability) -> list[Ask]:
    """Return asks that together hold every cell, each no larger than the service takes.

    Symbols that lack the same sessions are asked for together. An ask may hold more than the cells: it is symbols x
    sessions.

    Examples
    --------
    >>> two = every_cell(["A", "B"], [dt.date(2012, 12, 27), dt.date(2012, 12, 28)])
    >>> asks = cut(two, "raw.equity_bars", Capability(1, None, 0.0))
    >>> [(ask.symbols, len(ask.sessions)) for ask in asks]
    [(('A',), 2), (('B',), 2)]
    """
    return [ask for ask, _ in cut_cells(cells, table, capability)]


def cut_cells(cells: pl.DataFrame, table: str, capability: Capability) -> list[tuple[Ask, pl.DataFrame]]:
    """Return the asks of :func:`cut`, each with those of the cells that it is for; every cell is in one of them."""
    if cells.is_empty():
        return []
    spans = cells.group_by("symbol").agg(first=pl.col("session").min(), last=pl.col("session").max())
    most_symbols, most_sessions = capability.max_symbols or spans.height, capability.max_sessions or cells.height
    group = spans.sort("first", "last", "symbol").select("symbol", group=pl.int_range(pl.len()) // most_symbols)
    chunk = (pl.col("session").rank("dense").over("group") - 1) // most_sessions
    numbered = cells.join(group, on="symbol", maintain_order="left").with_columns(chunk=chunk)
    parts = numbered.sort("group", "chunk", "symbol", "session").partition_by("group", "chunk", include_key=False)
    pairs = []
    for part in parts:
        symbols, days = sides(part)
        named = () if symbol_column(table) is None else tuple(symbols)
        pairs.append((Ask(table, named, tuple(days)), part))
    return pairs


def sides(cells: pl.DataFrame) -> tuple[list[str], list[dt.date]]:
    """Return the symbols and the sessions of cells, each sorted and without repeats."""
    symbols, days = cells.select(pl.col("symbol", "session").unique().sort().implode()).row(0)
    return symbols, days
