"""All inputs of the three engines for some symbols and sessions, and one run of the engines over them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from engine_world import market
from engine_world.measuring import Used, used
from gnosis.engines.elasticity import elasticity
from gnosis.engines.liquidity import PROFILE_SESSIONS, TRADES_SESSIONS, liquidity
from gnosis.engines.sentiment import BARS_SESSIONS, INTRADAY_SESSIONS, sentiment
from gnosis.options import levels
from gnosis.sessions import sessions_between, shift_session

SHORTS_SESSIONS = 270
SOURCES = frozenset({"news", "x", "reddit", "stocktwits"})


@dataclass(frozen=True)
class Tables:
    """Rows of the raw and option tables; every row of the engines is made from all of them."""

    sessions: Sequence[dt.date]
    chains: pl.DataFrame
    quotes: pl.DataFrame
    bars: pl.DataFrame
    index_levels: pl.DataFrame
    intraday: pl.DataFrame
    books: pl.DataFrame
    trades: pl.DataFrame
    shorts: pl.DataFrame
    dix: pl.DataFrame
    posts: pl.DataFrame
    news: pl.DataFrame
    scores: pl.DataFrame

    def rows(self) -> str:
        """Return how many rows each table has."""
        frames = {name: value for name, value in vars(self).items() if isinstance(value, pl.DataFrame)}
        return ", ".join(f"{name} {frame.height:,}" for name, frame in frames.items())


def tables_of(symbols: Sequence[str], sessions: Sequence[dt.date], n_documents: int = 500) -> Tables:
    """Return the tables; chains of all symbols are the same under another name, and so are their books and texts."""

    def since(lookback: int) -> list[dt.date]:
        return sessions_between(shift_session(sessions[0], -lookback), sessions[-1])

    first = symbols[:1]
    chains = market.listed_chains(sessions, first)
    bars = market.daily_bars(since(BARS_SESSIONS), symbols)
    intraday = [
        market.intraday_bars(bars, since(PROFILE_SESSIONS), 5),
        market.intraday_bars(bars, since(INTRADAY_SESSIONS), 1),
    ]
    texts = market.documents(sessions, symbols, n_documents)
    return Tables(
        sessions=sessions,
        chains=market.named(chains, symbols),
        quotes=market.named(market.quotes_of(chains), symbols),
        bars=bars,
        index_levels=market.daily_bars(since(BARS_SESSIONS), ["^GSPC", "^VIX"], "raw.index_levels"),
        intraday=pl.concat(intraday),
        books=market.named(market.order_books(sessions, first), symbols),
        trades=market.named(market.trades(since(TRADES_SESSIONS), first), symbols),
        shorts=market.short_volume(bars.filter(pl.col("session").is_in(since(SHORTS_SESSIONS)))),
        dix=market.dark_index_levels(since(SHORTS_SESSIONS)),
        **texts,
    )


def liquidity_of(tables: Tables, stored: pl.DataFrame | None) -> pl.DataFrame:
    """Return the liquidity of the sessions."""
    return liquidity(
        tables.bars,
        intraday=tables.intraday,
        books=tables.books,
        trades=tables.trades,
        shorts=tables.shorts,
        stored=stored,
        sessions=tables.sessions,
    )


def elasticity_of(
    tables: Tables, of_levels: pl.DataFrame, of_liquidity: pl.DataFrame, stored: pl.DataFrame | None
) -> pl.DataFrame:
    """Return the elasticity of the chains under two sign conventions."""
    return elasticity(
        tables.chains,
        of_levels,
        tables.bars,
        quotes=tables.quotes,
        index_levels=tables.index_levels,
        liquidity=of_liquidity,
        stored=stored,
    )


def sentiment_of(
    tables: Tables, of_elasticity: pl.DataFrame, stored: pl.DataFrame | None, **market_wide: pl.DataFrame
) -> pl.DataFrame:
    """Return the sentiment of the sessions; ``market_wide`` are ``breadth`` and ``dark``, when they are made before."""
    return sentiment(
        tables.bars,
        index_levels=tables.index_levels,
        posts=tables.posts,
        news=tables.news,
        scores=tables.scores,
        quotes=tables.quotes,
        elasticity=of_elasticity,
        dix=tables.dix,
        shorts=tables.shorts,
        books=tables.books,
        intraday=tables.intraday,
        stored=stored,
        sessions=tables.sessions,
        collected=SOURCES,
        **market_wide,
    )


@dataclass(frozen=True)
class Made:
    """Rows of ``greeks.levels`` and of the engines, and what each of them took."""

    rows: Mapping[str, pl.DataFrame]
    used: Mapping[str, Used]


def run(tables: Tables, stored: Mapping[str, pl.DataFrame] | None = None) -> Made:
    """Return the rows of levels and engines in the order in which a night makes them."""
    past = stored or {}
    rows: dict[str, pl.DataFrame] = {}
    steps = {
        "levels": lambda: levels(tables.chains),
        "liquidity": lambda: liquidity_of(tables, past.get("liquidity")),
        "elasticity": lambda: elasticity_of(tables, rows["levels"], rows["liquidity"], past.get("elasticity")),
        "sentiment": lambda: sentiment_of(tables, rows["elasticity"], past.get("sentiment")),
    }
    took = {}
    for name, step in steps.items():
        rows[name], took[name] = used(step)
    return Made(rows, took)
