"""The engines room: liquidity, elasticity and sentiment of every symbol, and what the past says about the engines."""

from __future__ import annotations

import datetime as dt
from functools import partial

import polars as pl

from assets import engine_checks as checks
from assets.greeks import INDEX_AND_ETF_SYMBOLS, SIGN_CONVENTIONS
from assets.night import Night, TableRows
from assets.plots import engines as plots
from assets.table_asset import table_asset
from gnosis.engines import calibration as falsification
from gnosis.engines import elasticity as elasticity_engine
from gnosis.engines import liquidity as liquidity_engine
from gnosis.engines import scoring
from gnosis.engines import sentiment as sentiment_engine
from gnosis.engines.price_doubts import with_price_doubts
from gnosis.engines.processors import processor_rows

KINDS = ("polars", "numba", "parquet")
YEAR = 252
BARS = 330
"""Sessions of daily bars behind a row: the longest indicator, its mean and a margin for symbols that paused."""
RETURNS = 62
"""Sessions of daily bars behind the beta of volatility to spot, the longest look back of the elasticity engine."""
INDEX_LEVELS = 300
SHORTS = 270
INDEX_FUND = "SPY"
"""Its chain stands in for the gamma of the index where no file of it is collected."""
LISTING = 1


@table_asset(
    "engines.document_scores",
    reads=("raw.posts", "raw.news"),
    plots=plots.tone,
    own_checks=[checks.TEXTS_SCORED],
)
def document_scores(night: Night) -> TableRows:
    """Probabilities of each text by FinBERT where the operator put it, otherwise by word lists that say so."""
    posts, news = night.read("raw.posts"), night.read("raw.news")
    scorer = night.scoring.scorer()
    rows = scoring.document_scores(posts, news, scorer)
    without = sum(frame["text"].null_count() for frame in (posts, news))
    return TableRows(rows, metadata={"scorer": scorer.name, "documents_without_text": without})


@table_asset(
    "engines.liquidity",
    reads=(
        "raw.equity_bars",
        "raw.intraday_bars",
        "raw.order_books",
        "raw.trades",
        "raw.short_volume",
        "raw.quality_events",
    ),
    kinds=KINDS,
    own_checks=[checks.LOW_CONFIDENCE_HAS_REASONS],
)
def liquidity(night: Night) -> TableRows:
    """What it costs to trade, and how deep, tight and resilient the market is; daily proxies are marked."""
    bars = night.read("raw.equity_bars", lookback=BARS)
    rows = liquidity_engine.liquidity(
        bars,
        intraday=night.read("raw.intraday_bars", lookback=liquidity_engine.PROFILE_SESSIONS),
        books=_books(night, liquidity_engine.BOOKS_SESSIONS),
        trades=night.read("raw.trades", lookback=liquidity_engine.TRADES_SESSIONS),
        shorts=night.read("raw.short_volume", lookback=SHORTS),
        stored=night.history(YEAR),
        sessions=night.sessions,
    )
    rows = with_price_doubts(rows, night.read("raw.quality_events"), "engines.liquidity")
    return TableRows(rows, picture=partial(plots.liquidity_profile, rows, bars))


@table_asset(
    "engines.elasticity",
    reads=(
        "greeks.option_greeks",
        "greeks.levels",
        "greeks.surface_certificate",
        "raw.option_quotes",
        "raw.equity_bars",
        "raw.index_levels",
        "raw.quality_events",
        "engines.liquidity",
    ),
    kinds=KINDS,
    plots=plots.amplification,
    own_checks=[checks.AMPLIFICATION_IS_DEPTH_OVER_STIFFNESS, checks.LOW_CONFIDENCE_HAS_REASONS],
)
def elasticity(night: Night) -> pl.DataFrame:
    """Depth plus dealer gamma, the work of a one per cent move, and whether hedging damps or feeds it."""
    greeks = night.read("greeks.option_greeks", lookback=LISTING)
    rows = elasticity_engine.elasticity(
        night.only(greeks),
        night.read("greeks.levels", where=pl.col("expiry_set") == "all"),
        night.read("raw.equity_bars", lookback=RETURNS),
        quotes=night.read("raw.option_quotes"),
        index_levels=night.read("raw.index_levels", lookback=INDEX_LEVELS),
        liquidity=night.read("engines.liquidity"),
        certificates=night.read("greeks.surface_certificate", where=pl.col("slice_number") == 0),
        listing=elasticity_engine.expected_listing(greeks),
        stored=night.history(INDEX_LEVELS),
        conventions=SIGN_CONVENTIONS,
        index_symbols=INDEX_AND_ETF_SYMBOLS,
    )
    return with_price_doubts(rows, night.read("raw.quality_events"), "engines.elasticity")


@table_asset(
    "engines.elasticity_surface",
    reads=("greeks.option_greeks", "engines.elasticity"),
    kinds=KINDS,
)
def elasticity_surface(night: Night) -> TableRows:
    """Stiffness and amplification by price and horizon: time passes, contracts expire, the smile stays."""
    greeks, state = night.read("greeks.option_greeks"), night.read("engines.elasticity")
    rows = elasticity_engine.elasticity_surface(greeks, state)
    return TableRows(rows, picture=partial(plots.elasticity_surface, greeks, state))


@table_asset(
    "engines.sentiment",
    reads=(
        "raw.equity_bars",
        "raw.index_levels",
        "raw.posts",
        "raw.news",
        "raw.option_quotes",
        "raw.dix",
        "raw.short_volume",
        "raw.order_books",
        "raw.intraday_bars",
        "raw.quality_events",
        "engines.document_scores",
        "engines.elasticity",
    ),
    kinds=KINDS,
    plots=plots.sentiment_by_source,
    own_checks=[checks.LOW_CONFIDENCE_HAS_REASONS],
)
def sentiment(night: Night) -> pl.DataFrame:
    """Eight readings of what is said and positioned, each with its confidence, fused into one."""
    is_call = pl.col("kind").cast(pl.String).str.starts_with("earnings")
    recent = pl.col("session") >= night.session_before(sentiment_engine.NEWS_SESSIONS)
    rows = sentiment_engine.sentiment(
        night.read("raw.equity_bars", lookback=sentiment_engine.BARS_SESSIONS),
        index_levels=night.read("raw.index_levels", lookback=INDEX_LEVELS),
        posts=night.read("raw.posts", lookback=sentiment_engine.POSTS_SESSIONS),
        news=night.read("raw.news", lookback=sentiment_engine.EARNINGS_SESSIONS, where=is_call | recent),
        scores=night.read(
            "engines.document_scores", lookback=sentiment_engine.EARNINGS_SESSIONS, where=is_call | recent
        ),
        quotes=night.read("raw.option_quotes"),
        elasticity=night.read("engines.elasticity", where=pl.col("sign_convention") == "naive"),
        dix=night.read("raw.dix", lookback=SHORTS),
        shorts=night.read("raw.short_volume", lookback=SHORTS),
        index_gamma=_index_gamma(night),
        books=night.read("raw.order_books"),
        intraday=night.read("raw.intraday_bars", lookback=sentiment_engine.INTRADAY_SESSIONS),
        stored=night.history(YEAR + 10),
        sessions=night.sessions,
        collected=_collected(night),
    )
    return with_price_doubts(rows, night.read("raw.quality_events"), "engines.sentiment")


def _index_gamma(night: Night) -> pl.DataFrame:
    """Return the dealer gamma of the chain of the index fund, of a year of sessions."""
    is_fund = (pl.col("symbol") == INDEX_FUND) & (pl.col("sign_convention") == "naive")
    rows = night.read("engines.elasticity", lookback=SHORTS, where=is_fund)
    return rows.select("session", "known_at", "provider", "synthetic", gex="gex_usd_per_pct")


def _collected(night: Night) -> dict[str, dt.date]:
    """Return since when each source of texts has been collected: a social source since its first post."""
    posts = night.scan("raw.posts").group_by(pl.col("source").cast(pl.String)).agg(pl.col("session").min()).collect()
    news = {"news": dt.date.min} if night.serves("raw.news") else {}
    return news | dict(posts.sort("source").iter_rows())


def _books(night: Night, lookback: int) -> pl.DataFrame:
    """Return the books of the night, and of the sessions before the best prices, of which only mids are read."""
    is_own = pl.col("session") >= night.first
    return night.read("raw.order_books", lookback=lookback, where=is_own | (pl.col("level") == 1))


@table_asset(
    "engines.processors",
    reads=("engines.liquidity", "engines.elasticity", "engines.sentiment"),
    own_checks=[checks.EIGHT_PROCESSORS_EACH],
    plots=plots.confidences,
)
def processors(night: Night) -> pl.DataFrame:
    """Every value of every processor in long form, with the processor's confidence and reasons."""
    return processor_rows({name: night.read(f"engines.{name}") for name in ("elasticity", "liquidity", "sentiment")})


@table_asset(
    "engines.calibration",
    reads=("engines.elasticity", "raw.equity_bars"),
    kinds=KINDS,
    plots=plots.calibration,
)
def calibration(night: Night) -> pl.DataFrame:
    """Realised range on predicted amplification, volatility across the flip, hold rates of walls: as they come out."""
    return falsification.calibration(
        night.read("engines.elasticity", lookback=falsification.WINDOW_SESSIONS),
        night.read("raw.equity_bars", lookback=falsification.WINDOW_SESSIONS + 1),
        sessions=night.sessions,
    )
