"""What must not change any engine, from raw tables to rows: C1, C2, C3, C4, C7 and C8 over the three engines chained.

Every case is run once and asked about each engine. A processor of each engine that reads what is known later shows
that the same harness would see it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from gnosis.engines.elasticity import elasticity
from gnosis.engines.elasticity import state as elasticity_state
from gnosis.engines.elasticity.listing import LISTED
from gnosis.engines.liquidity import LiquidityParameters, liquidity
from gnosis.engines.liquidity import state as liquidity_state
from gnosis.engines.scoring import document_scores
from gnosis.engines.scoring.lexicon import LexiconScorer
from gnosis.engines.sentiment import SentimentParameters, sentiment
from gnosis.engines.sentiment import state as sentiment_state
from gnosis.options import levels, option_greeks
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.simulate import (
    MarketSpec,
    dark_index,
    intraday_bars,
    market,
    news_items,
    order_books,
    short_volume,
    social_posts,
)
from gnosis.tables import TABLES
from gnosis.tables.engines import PROCESSORS

pytestmark = pytest.mark.xdist_group("engines_chained")

SEED = 11
SYMBOLS = ["AAA", "BBB", "CCC"]
OTHER_NAMES = {"AAA": "ZED", "BBB": "MID", "CCC": "ALF"}
INDICES = [*SYMBOLS, *OTHER_NAMES.values()]
LAST = dt.date(2006, 8, 25)
TARGETS = [shift_session(LAST, -3), shift_session(LAST, -2)]
"""Two sessions are computed; data of two more are known later."""
CUT = schedule().filter(pl.col("session") == TARGETS[-1])["close_at"].item()
HISTORY_SESSIONS = 80
CONVENTIONS = ("naive", "customer_long")
ENGINES = ("liquidity", "elasticity", "sentiment")
SNAPSHOTS = 39
SOURCES = {"news", "x", "reddit", "stocktwits"}
RAW = {
    "bars": "raw.equity_bars",
    "index_levels": "raw.index_levels",
    "quotes": "raw.option_quotes",
    "macro": "raw.macro",
    "books": "raw.order_books",
    "intraday": "raw.intraday_bars",
    "shorts": "raw.short_volume",
    "dix": "raw.dix",
    "posts": "raw.posts",
    "news": "raw.news",
    "scores": "engines.document_scores",
}
OF_SYMBOLS = ("books", "intraday", "shorts", "quotes")


def as_table(name, frame):
    return frame.select(list(TABLES[name].polars_schema)).cast(TABLES[name].polars_schema)


@pytest.fixture(scope="module")
def world():
    """Return raw frames by name, rows of earlier sessions by engine, and the contracts that were listed."""
    long = sessions_between(shift_session(LAST, -335), LAST)
    chained = sessions_between(shift_session(LAST, -HISTORY_SESSIONS - 3), LAST)
    recent = sessions_between(shift_session(LAST, -3), LAST)
    optioned = market(MarketSpec(has_options=True), SYMBOLS, chained, SEED)
    daily = market("daily", SYMBOLS, long, SEED)
    books, _ = order_books(daily.bars, SEED, recent, half_spread_bps=2.0)
    minutes = intraday_bars(daily.bars, SEED, long[-25:])
    frequency = pl.when(pl.col("session") >= recent[0]).then(pl.lit("1min")).otherwise(pl.lit("5min"))
    posts, _ = social_posts(SYMBOLS, chained[-15:], SEED, has_details=True)
    # The unit of deletion is the document that counts: copies would take the place of what is deleted.
    posts = posts.filter(~pl.col("text").str.contains(" (imo|fyi)$")).unique("text_hash", maintain_order=True)
    frames = {
        "bars": daily.bars,
        "index_levels": daily.index_levels,
        "quotes": optioned.option_quotes,
        "macro": optioned.macro,
        "books": as_table("raw.order_books", books.filter(pl.col("ts").dt.minute() % 10 == 0)),
        "intraday": as_table("raw.intraday_bars", minutes.filter(pl.col("frequency") == frequency)),
        "shorts": as_table("raw.short_volume", short_volume(daily.bars, SEED)[0]),
        "dix": as_table("raw.dix", dark_index(long, SEED)),
        "posts": as_table("raw.posts", posts),
        "news": as_table("raw.news", news_items(SYMBOLS, long, SEED)[0]),
    }
    frames["scores"] = document_scores(frames["posts"], frames["news"], LexiconScorer())
    before = [day for day in chained if day < TARGETS[0]]
    nothing = dict.fromkeys(ENGINES)
    stored = chain(frames, before, nothing, None)
    inside = pl.col("session") >= recent[0]
    listing = option_greeks(frames["quotes"].filter(inside), frames["macro"]).select(LISTED)
    return SimpleNamespace(
        frames=frames | {"quotes": frames["quotes"].filter(inside)}, stored=stored, listing=listing, before=before
    )


def chain(frames, sessions, stored, listing, symbols=None):
    """Return the rows of the three engines of the wanted sessions, each made with those before it."""
    own = pl.lit(value=True) if symbols is None else pl.col("symbol").is_in(symbols)
    given = {name: frame.filter(own) if name in OF_SYMBOLS else frame for name, frame in frames.items()}
    bars = frames["bars"].filter(own)
    liquid = liquidity(
        bars,
        intraday=given["intraday"],
        books=given["books"],
        shorts=given["shorts"],
        stored=stored["liquidity"],
        sessions=sessions,
        parameters=LiquidityParameters(snapshots_per_session=SNAPSHOTS),
    )
    greeks = option_greeks(given["quotes"], frames["macro"])
    elastic = elasticity(
        greeks,
        levels(greeks, CONVENTIONS, INDICES, threads=1),
        bars,
        quotes=given["quotes"],
        index_levels=frames["index_levels"],
        liquidity=liquid,
        listing=listing,
        stored=stored["elasticity"],
        conventions=CONVENTIONS,
        index_symbols=INDICES,
    ).filter(pl.col("session").is_in(sessions))
    told = sentiment(
        frames["bars"],
        index_levels=frames["index_levels"],
        posts=frames["posts"],
        news=frames["news"],
        scores=frames["scores"],
        quotes=given["quotes"],
        elasticity=elastic,
        dix=frames["dix"],
        shorts=frames["shorts"],
        books=given["books"],
        intraday=given["intraday"],
        stored=stored["sentiment"],
        symbols=symbols,
        sessions=sessions,
        collected=SOURCES,
        parameters=SentimentParameters(snapshots_per_session=SNAPSHOTS),
    )
    return {"liquidity": liquid, "elasticity": elastic, "sentiment": told}


def known_later(frame):
    return pl.col("known_at") > CUT


def truncated(table, frame, rng):
    return frame.filter(~known_later(frame))


def values_of(table, frame):
    """Return the measured columns: numbers that tell no row from another."""
    return [name for name, dtype in frame.schema.items() if dtype == pl.Float64 and name not in TABLES[RAW[table]].key]


def poisoned(value):
    def poison(table, frame, rng):
        names = values_of(table, frame)
        return frame.with_columns(pl.when(known_later(frame)).then(value(pl.col(names))).otherwise(pl.col(names)))

    return poison


def unknown_later(table, frame, rng):
    """Return the rows with nothing known of later ones: null where the table allows it, else NaN.

    Books, chains, bars and yields refuse NaN whenever it is known: there it is null or nothing.
    """
    columns = TABLES[RAW[table]].schema.columns()
    names = values_of(table, frame)
    if table in ("bars", "books", "intraday", "macro", "quotes"):
        names = [name for name in names if columns[name].nullable]
    worse = [pl.lit(None if columns[name].nullable else float("nan"), pl.Float64).alias(name) for name in names]
    kept = [name for name in frame.columns if name not in names]
    later = frame.filter(known_later(frame)).select(*kept, *worse).select(frame.columns)
    return pl.concat([frame.filter(~known_later(frame)), later])


def shuffled_later(table, frame, rng):
    """Return the rows with the values of later ones dealt out anew among themselves."""
    later = frame.filter(known_later(frame))
    order = rng.permutation(later.height)
    later = later.with_columns([later[name].gather(order) for name in values_of(table, frame)])
    return pl.concat([frame.filter(~known_later(frame)), later])


def reordered(table, frame, rng):
    twice = pl.concat([frame, frame.sample(fraction=0.3, seed=1)])
    return twice[rng.permutation(twice.height)]


def restated(table, frame, rng):
    """Return the rows and, known an hour after the cut, another version of many of them.

    A chain is a snapshot: one that is delivered anew has a later cut-off of its own, see its own tests.
    """
    if table in ("quotes", "macro"):
        return frame
    old = frame.filter(~known_later(frame)).sample(fraction=0.3, seed=2)
    known_at = pl.lit(CUT + dt.timedelta(hours=1))
    return pl.concat([frame, old.with_columns(pl.col(values_of(table, frame)) * 1.3, known_at=known_at)])


UNCHANGING = {
    "C1 truncated": truncated,
    "C2 later values unknown": unknown_later,
    "C2 later values times 1000": poisoned(lambda column: column * 1000.0),
    "C2 later values shuffled": shuffled_later,
    "C3 other order and delivered twice": reordered,
    "C3 a second run": lambda table, frame, rng: frame,
    "C7 restated after the cut": restated,
}


@pytest.fixture(scope="module")
def rows_of(world):
    """Return the rows of the three engines in a case of :data:`UNCHANGING`, made once."""

    @cache
    def made(case):
        rng = np.random.default_rng(5)
        change = UNCHANGING.get(case, lambda table, frame, rng: frame)
        frames = {name: change(name, frame, rng) for name, frame in world.frames.items()}
        return chain(frames, TARGETS, world.stored, world.listing)

    return made


@pytest.fixture(scope="module")
def once():
    """Return a function that makes the rows of a case the first time it is asked for them."""
    made = {}

    def rows(case, make):
        if case not in made:
            made[case] = make()
        return made[case]

    return rows


def assert_unchanged(engine, found, expected):
    assert found[engine].schema == expected[engine].schema
    differing = [name for name in expected[engine].columns if not found[engine][name].equals(expected[engine][name])]
    assert not differing, differing


@pytest.mark.parametrize("engine", ENGINES)
class TestNothingElseMatters:
    def test_the_rows_are_there_and_know_something(self, rows_of, engine):
        rows = rows_of("plain")[engine]
        times = len(CONVENTIONS) if engine == "elasticity" else 1
        assert rows.height == len(TARGETS) * len(SYMBOLS) * times
        known = sum(rows[name].null_count() < rows.height for name in rows.columns)
        assert known > 0.9 * rows.width
        assert rows["as_of"].max() == CUT

    @pytest.mark.parametrize("case", UNCHANGING)
    def test_rows_do_not_change(self, rows_of, engine, case):
        assert_unchanged(engine, rows_of(case), rows_of("plain"))

    def test_the_harness_sees_what_is_known_later(self, world, rows_of, engine, monkeypatch):
        """A processor that reads the last bar delivered, whenever that was known, is caught by C1 and by C2."""
        name = next(iter(PROCESSORS[engine]))
        of_engine = {
            "liquidity": liquidity_state._PROCESS,
            "elasticity": elasticity_state.PROCESSES,
            "sentiment": sentiment_state.PROCESSES,
        }[engine]
        honest = of_engine[name]
        latest = {}

        def leaking(inputs, history, parameters, earlier):
            result = honest(inputs, history, parameters, earlier)
            column = next(key for key, value in result.values.items() if isinstance(value, np.ndarray))
            values = dict(result.values)
            values[column] = np.full_like(np.asarray(values[column], dtype=float), 0.5 + latest["close"] / 1e9)
            return replace(result, values=values)

        monkeypatch.setitem(of_engine, name, leaking)

        def run(change):
            frames = {key: change(key, frame, np.random.default_rng(5)) for key, frame in world.frames.items()}
            latest["close"] = frames["bars"].sort("session", "symbol")["close"][-1]
            return chain(frames, TARGETS, world.stored, world.listing)

        leaked = run(lambda table, frame, rng: frame)
        for case in ("C1 truncated", "C2 later values times 1000"):
            found = run(UNCHANGING[case])
            with pytest.raises(AssertionError):
                assert_unchanged(engine, found, leaked)

    def test_a_symbol_alone_and_under_another_name(self, world, once, rows_of, engine):
        """C8."""
        expected = rows_of("plain")[engine]
        alone = alone_rows(once, world)[engine]
        assert alone.equals(expected.filter(symbol="BBB"))
        renamed = renamed_rows(once, world, OTHER_NAMES)[engine]
        back = {new: old for old, new in OTHER_NAMES.items()}
        found = renamed.with_columns(pl.col("symbol").replace(back)).sort(TABLES[f"engines.{engine}"].key)
        assert_unchanged(engine, {engine: found}, {engine: expected})

    @pytest.mark.parametrize("table", ["bars", *OF_SYMBOLS, "index_levels", "dix", "posts", "news", "scores"])
    def test_deleting_rows_never_raises_a_confidence(self, world, once, rows_of, engine, table):
        """C4."""
        fewer = deleted_rows(once, world, table)[engine]
        key = TABLES[f"engines.{engine}"].key
        joined = fewer.join(rows_of("plain")[engine], on=key, suffix="_whole")
        assert joined.height == fewer.height > 0
        total = {"liquidity": "liq_confidence", "elasticity": "confidence", "sentiment": "sent_confidence"}[engine]
        names = [*(f"{processor}_confidence" for processor in PROCESSORS[engine]), total]
        for name in names:
            assert (joined[name] <= joined[f"{name}_whole"] + 1e-12).all(), name
        for processor in PROCESSORS[engine]:
            unsure = fewer.filter(pl.col(f"{processor}_confidence") < 0.8)
            assert (unsure[f"{processor}_reasons"] != "").all(), processor

    def test_nothing_but_bars_leaves_reasons(self, world, once, engine):
        """C4: what is not there is null, has no confidence and says why."""
        rows = bare_rows(once, world)[engine]
        if engine == "elasticity":
            assert rows.is_empty()
            return
        absent = {"liquidity": ("dark_pool_and_shorts",), "sentiment": sorted(set(PROCESSORS[engine]) - DAILY)}[engine]
        for processor in absent:
            assert (rows[f"{processor}_confidence"] == 0.0).all()
            assert (rows[f"{processor}_reasons"] != "").all()


DAILY = {"technical_regime", "flow_and_dark_pool"}
"""Processors of the sentiment engine that bars alone can answer."""


def alone_rows(once, world):
    stored = {name: frame.filter(pl.col("symbol") == "BBB") for name, frame in world.stored.items()}
    listing = world.listing.filter(pl.col("symbol") == "BBB")
    return once("alone", lambda: chain(world.frames, TARGETS, stored, listing, ["BBB"]))


def renamed_rows(once, world, names):
    def renamed(frame):
        return frame.with_columns(pl.col("symbol").replace(names)) if "symbol" in frame.columns else frame

    frames = {name: renamed(frame) for name, frame in world.frames.items()}
    stored = {name: renamed(frame) for name, frame in world.stored.items()}

    def make():
        return chain(frames, TARGETS, stored, renamed(world.listing))

    return once("renamed", make)


def deleted_rows(once, world, table):
    rng = np.random.default_rng([3, *table.encode()])
    frame = world.frames[table]
    fewer = frame.filter(pl.Series(rng.random(frame.height) < 0.6))
    return once(table, lambda: chain(world.frames | {table: fewer}, TARGETS, world.stored, world.listing))


def bare_rows(once, world):
    frames = {name: frame if name in ("bars", "macro") else frame.clear() for name, frame in world.frames.items()}
    return once("bare", lambda: chain(frames, TARGETS, world.stored, world.listing))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_restatement_counts_from_the_session_at_which_it_is_known(world, once, rows_of, engine):
    """C7: a bar of the week before, corrected between the two closes, changes the second session alone."""
    first_close = schedule().filter(pl.col("session") == TARGETS[0])["close_at"].item()
    bars = world.frames["bars"]
    week_before = bars.filter(pl.col("session") == shift_session(TARGETS[0], -5))
    better = week_before.with_columns(
        pl.col("close", "high") * 1.05,
        pl.col("volume") * 3.0,
        known_at=pl.lit(first_close + dt.timedelta(hours=2)),
    )
    found = once(
        "restated",
        lambda: chain(world.frames | {"bars": pl.concat([bars, better])}, TARGETS, world.stored, world.listing),
    )[engine]
    expected = rows_of("plain")[engine]
    first, second = (pl.col("session") == day for day in TARGETS)
    assert found.filter(first).equals(expected.filter(first))
    assert not found.filter(second).equals(expected.filter(second))
