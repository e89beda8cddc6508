"""A simulated market in which every one of the 141 features is known: raw tables, Greeks, document scores and engines.

All engine rows are made for three symbols of a universe of seventeen, of which two have option chains. Minutes and
books are there for the last weeks only; before, the engines use their daily forms.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache

import polars as pl

from gnosis.engines.elasticity import elasticity, expected_listing
from gnosis.engines.liquidity import LiquidityParameters, liquidity
from gnosis.engines.scoring import document_scores
from gnosis.engines.scoring.lexicon import LexiconScorer
from gnosis.engines.sentiment import NEWS_SESSIONS, POSTS_SESSIONS, SentimentParameters, sentiment
from gnosis.options import chain_analytics, levels, volatility_surface
from gnosis.sessions import sessions_between, shift_session
from gnosis.simulate import (
    MarketSpec,
    Regime,
    dark_index,
    intraday_bars,
    macro_vintages,
    market,
    news_items,
    order_books,
    short_volume,
    social_posts,
    trades,
)
from gnosis.tables import TABLES

Tables = Mapping[str, pl.DataFrame]

SEED = 11
CHAINED = ("AAA", "BBB")
POINTS = (*CHAINED, "CCC")
"""Symbols with engine rows; those of :data:`CHAINED` have option chains."""
FUNDS = ("XLB", "XLI", "XLK", "XLP", "XLU", "XLV", "XLY")
OTHERS = ("DDD", "EEE", "FFF", "GGG", "HHH", "III", "JJJ", *FUNDS)
UNIVERSE = (*POINTS, *OTHERS)
LAST = dt.date(2006, 9, 15)
SESSIONS = 660
ENGINE_SESSIONS = 300
"""Sessions with chains, texts and engine rows."""
INTRADAY_SESSIONS = 62
MINUTE_SESSIONS = 25
"""Sessions with order books and bars of one minute; before, bars of five minutes only."""
SNAPSHOTS = 44
"""Books of a session: every tenth minute, and every minute of the last six."""
CONVENTIONS = ("naive", "customer_long")
SOURCES = ("news", "x", "reddit", "stocktwits")
ENGINES = ("engines.liquidity", "engines.elasticity", "engines.sentiment")
SCRIPT = (
    Regime("calm", dt.date(2006, 2, 1), volatility_factor=0.5),
    Regime("crowded", dt.date(2006, 5, 15), volatility_factor=2.0, open_interest_factor=8.0),
    Regime("usual", dt.date(2006, 7, 10)),
)
"""Calm before a crowded storm: without it some flags would never be raised."""


def last_sessions(count: int) -> list[dt.date]:
    """Return the last ``count`` sessions of the market, oldest first."""
    return sessions_between(shift_session(LAST, 1 - count), LAST)


@cache
def raw_tables() -> dict[str, pl.DataFrame]:
    """Return the raw tables of the market by name, and the scores of its documents."""
    long, texts = last_sessions(SESSIONS), last_sessions(ENGINE_SESSIONS + 5)
    daily = market(MarketSpec(script=SCRIPT), UNIVERSE, long, SEED)
    chains = market(MarketSpec(has_options=True, script=SCRIPT), CHAINED, last_sessions(ENGINE_SESSIONS + 1), SEED)
    own = daily.bars.filter(pl.col("symbol").is_in(POINTS))
    books, _ = order_books(own, SEED, last_sessions(MINUTE_SESSIONS), half_spread_bps=2.0)
    to_close = pl.col("ts").max().over("session") - pl.col("ts")
    books = books.filter((pl.col("ts").dt.minute() % 10 == 0) | (to_close < dt.timedelta(minutes=6)))
    minutes = intraday_bars(own, SEED, last_sessions(INTRADAY_SESSIONS))
    is_recent = pl.col("session") >= last_sessions(MINUTE_SESSIONS)[0]
    tables = {
        "raw.equity_bars": daily.bars,
        "raw.intraday_bars": minutes.filter((pl.col("frequency") == "5min") | is_recent),
        "raw.order_books": books,
        "raw.trades": trades(own, SEED, last_sessions(3)),
        "raw.option_quotes": chains.option_quotes,
        "raw.index_levels": daily.index_levels,
        "raw.macro": macro_vintages(long, SEED),
        "raw.dividends": TABLES["raw.dividends"].empty(),
        "raw.short_volume": short_volume(daily.bars, SEED)[0],
        "raw.dix": dark_index(long, SEED),
        "raw.posts": social_posts(POINTS, texts, SEED, 40.0, has_details=True)[0],
        "raw.news": news_items(POINTS, long, SEED)[0],
    }
    tables = {name: as_table(name, frame) for name, frame in tables.items()}
    scores = document_scores(tables["raw.posts"], tables["raw.news"], LexiconScorer())
    return tables | {"engines.document_scores": scores}


@cache
def market_tables() -> dict[str, pl.DataFrame]:
    """Return every table that a feature is computed from, by name: raw, greeks and the rows of the three engines."""
    tables = raw_tables()
    nothing = {name: TABLES[name].empty() for name in ENGINES}
    return tables | night_rows(tables | nothing, last_sessions(ENGINE_SESSIONS))


def as_table(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a table in their order and dtypes."""
    schema = TABLES[name].polars_schema
    return frame.select(list(schema)).cast(dict(schema))


def night_rows(
    tables: Tables, sessions: Sequence[dt.date], engine: str = "engines.sentiment"
) -> dict[str, pl.DataFrame]:
    """Make the greeks and engines of some sessions as the nightly graph does, with the engines' rows of earlier ones.

    Rows of ``tables`` that belong to the greeks are not read, and of the engines only those before the first session.
    Engines after ``engine`` are left out.
    """
    stored = {name: tables[name].filter(pl.col("session") < min(sessions)) for name in ENGINES}
    own = tables["raw.equity_bars"].filter(~pl.col("symbol").is_in(OTHERS))
    made = {"engines.liquidity": liquidity_rows(tables, own, stored["engines.liquidity"], sessions)}
    if engine == "engines.liquidity":
        return made
    made |= greek_rows(tables, sessions)
    made["engines.elasticity"] = elasticity_rows(tables, own, made, stored["engines.elasticity"], sessions)
    if engine == "engines.elasticity":
        return made
    told = sentiment_rows(tables, own, made["engines.elasticity"], stored["engines.sentiment"], sessions)
    return made | {"engines.sentiment": told}


def liquidity_rows(
    tables: Tables, own: pl.DataFrame, stored: pl.DataFrame, sessions: Sequence[dt.date]
) -> pl.DataFrame:
    """Return rows of ``engines.liquidity`` of the symbols with points."""
    return liquidity(
        own,
        intraday=tables["raw.intraday_bars"],
        books=tables["raw.order_books"],
        trades=tables["raw.trades"],
        shorts=tables["raw.short_volume"],
        stored=stored,
        sessions=sessions,
        parameters=LiquidityParameters(snapshots_per_session=SNAPSHOTS),
    )


def greek_rows(tables: Tables, sessions: Sequence[dt.date]) -> dict[str, pl.DataFrame]:
    """Return the tables of the greeks; those of contracts reach one session further back, for the listing."""
    quotes = tables["raw.option_quotes"]
    quotes = quotes.filter(pl.col("session").is_between(shift_session(min(sessions), -1), max(sessions)))
    found = chain_analytics(quotes, tables["raw.macro"], tables["raw.dividends"])
    wanted = found.greeks.filter(pl.col("session") >= min(sessions))
    return {
        "greeks.option_greeks": found.greeks,
        "greeks.forwards": found.forwards,
        "greeks.surface_certificate": volatility_surface(wanted, threads=1).certificate,
        "greeks.levels": levels(wanted, CONVENTIONS, index_symbols=wanted["symbol"].unique().to_list(), threads=1),
    }


def elasticity_rows(
    tables: Tables,
    own: pl.DataFrame,
    made: Tables,
    stored: pl.DataFrame,
    sessions: Sequence[dt.date],
) -> pl.DataFrame:
    """Return rows of ``engines.elasticity`` of the symbols with chains, under both sign conventions."""
    contracts = made["greeks.option_greeks"]
    quotes = tables["raw.option_quotes"].filter(pl.col("session").is_in(sessions))
    return elasticity(
        contracts.filter(pl.col("session").is_in(sessions)),
        made["greeks.levels"],
        own,
        quotes=quotes,
        index_levels=tables["raw.index_levels"],
        liquidity=made["engines.liquidity"],
        certificates=made["greeks.surface_certificate"],
        listing=expected_listing(contracts),
        stored=stored,
        conventions=CONVENTIONS,
        index_symbols=quotes["symbol"].unique().to_list(),
    )


def sentiment_rows(
    tables: Tables, own: pl.DataFrame, elastic: pl.DataFrame, stored: pl.DataFrame, sessions: Sequence[dt.date]
) -> pl.DataFrame:
    """Return rows of ``engines.sentiment`` of the symbols with points; breadth is that of the whole universe."""
    is_call = pl.col("kind").cast(pl.String).str.starts_with("earnings")
    is_recent = pl.col("session") >= shift_session(min(sessions), -NEWS_SESSIONS)
    return sentiment(
        tables["raw.equity_bars"],
        index_levels=tables["raw.index_levels"],
        posts=tables["raw.posts"].filter(pl.col("session") >= shift_session(min(sessions), -POSTS_SESSIONS)),
        news=tables["raw.news"].filter(is_call | is_recent),
        scores=tables["engines.document_scores"].filter(is_call | is_recent),
        quotes=tables["raw.option_quotes"],
        elasticity=elastic.filter(pl.col("sign_convention") == "naive"),
        dix=tables["raw.dix"],
        shorts=tables["raw.short_volume"],
        books=tables["raw.order_books"],
        intraday=tables["raw.intraday_bars"],
        stored=stored,
        symbols=own["symbol"].unique().to_list(),
        sessions=sessions,
        collected=SOURCES,
        parameters=SentimentParameters(snapshots_per_session=SNAPSHOTS),
    )
