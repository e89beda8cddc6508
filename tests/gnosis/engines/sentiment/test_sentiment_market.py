"""A market of twelve symbols: a night with stored rows is a long run, and every row names all that it rests on."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.points import daily_points
from gnosis.engines.sentiment import NEWS_SESSIONS, POSTS_SESSIONS, sentiment
from gnosis.engines.sentiment.breadth import LOOKBACK, universe_breadth
from gnosis.engines.sentiment.dark_index import dark_index
from gnosis.engines.sentiment.market_panels import MEMBERSHIP_SCHEMA
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
SOURCES = ("news", "x", "reddit", "stocktwits")
OTHERS = tuple(f"S{number:02d}" for number in range(10))


def generated(frame):
    return frame.with_columns(provider=pl.lit("made"), synthetic=True)


def of_table(table, frame):
    schema = TABLES[table].polars_schema
    return frame.select(list(schema)).cast(schema)


def published(last, n):
    """Return sessions and the evenings after their closes."""
    days = schedule().filter(pl.col("session") <= last).tail(n)
    return days.select(
        "session", known_at=pl.col("close_at") + pl.duration(hours=2), provider=pl.lit("files"), synthetic=False
    )


@pytest.fixture(scope="module")
def market(walk, index_walk, texts):
    rng = np.random.default_rng(12)
    bars = walk(("AAA", "BBB", *OTHERS), n=210, sigma=0.03)
    total = pl.col("volume") * 0.4
    shorts = bars.with_columns(
        known_at=pl.col("known_at") + pl.duration(hours=2),
        total_volume=total,
        short_volume=total * 0.45,
        short_exempt_volume=pl.lit(None, pl.Float64),
    )
    dix = published(SESSION, 200).with_columns(dix=0.4 + 0.1 * rng.random(200), gex=rng.standard_normal(200))
    rows = []
    for number in range(900):
        p = rng.dirichlet([2, 1, 1])
        source = SOURCES[number % 4]
        own = {"kind": "article"} if source == "news" else {"source": source, "author": f"{number % 50}"}
        age, symbol = float(rng.uniform(0.0, 24.0 * 130)), ("AAA", "BBB")[number // 4 % 2]
        rows.append(own | {"id": f"d{number}", "age": age, "p": tuple(p / p.sum()), "symbol": symbol})
    return texts(rows) | {
        "bars": bars,
        "index_levels": index_walk(n=210),
        "dix": of_table("raw.dix", dix),
        "shorts": of_table("raw.short_volume", shorts),
    }


def run(market, **changes):
    given = {"sessions": [SESSION], "symbols": ["AAA"], "collected": SOURCES} | market | changes
    return sentiment(given.pop("bars"), **given)


def test_a_night_with_stored_rows_is_a_long_run_bit_for_bit(market):
    """C1 and S9: every column, also where readings are added up."""
    days = sessions_between(shift_session(SESSION, -71), SESSION)
    batch = run(market, sessions=days, symbols=["AAA", "BBB"])
    assert batch["fused"].tail(5).is_not_null().all()
    assert (batch.select("news_surprise_z", "x_surprise_z", "trend_score").tail(5).null_count() == 0).row(0) == (
        True,
    ) * 3
    for day in days[-4:]:
        known = {name: frame.filter(pl.col("session") <= day) for name, frame in market.items()}
        for symbol in ("AAA", "BBB"):
            before = batch.filter(pl.col("session") < day)
            night = run(known, sessions=[day], symbols=[symbol], stored=before)
            assert night.equals(batch.filter(session=day, symbol=symbol)), (day, symbol)


def origin(market, **changes):
    row = run(market, **changes).row(0, named=True)
    assert ("SYNTHETIC_INPUT" in row["reasons"]) == row["synthetic"]
    return row["provider"].split("+"), row["synthetic"]


def test_real_inputs_have_a_real_row(market):
    assert origin(market) == (["files", "yahoo"], False)


def test_bars_of_other_symbols_stand_behind_the_breadth(market):
    bars = market["bars"]
    own = pl.col("symbol") == "AAA"
    assert origin(market, bars=pl.concat([bars.filter(own), generated(bars.filter(~own))])) == (
        ["files", "made", "yahoo"],
        True,
    )
    edge = shift_session(SESSION, 1 - LOOKBACK)
    for first, is_seen in ((edge, True), (shift_session(edge, -1), False)):
        old = ~own & (pl.col("session") == first)
        assert origin(market, bars=pl.concat([bars.filter(~old), generated(bars.filter(old))]))[1] == is_seen
    ten = pl.DataFrame({"symbol": ["AAA", "BBB", *OTHERS[:9]], "first_session": dt.date(2010, 1, 4)})
    membership = ten.with_columns(last_session=pl.lit(None)).cast(MEMBERSHIP_SCHEMA)
    outside = pl.col("symbol") == OTHERS[9]
    changed = pl.concat([bars.filter(~outside), generated(bars.filter(outside))])
    assert not origin(market, bars=changed, membership=membership)[1]
    few = changed.filter(own | outside)
    assert not origin(market, bars=few)[1], "breadth of two symbols is unknown"


def test_short_volume_of_other_symbols_stands_behind_the_dark_index(market):
    shorts = generated(market["shorts"].filter(pl.col("symbol") != "AAA"))
    assert not origin(market, shorts=shorts)[1], "the vendor's index is there"
    assert origin(market, shorts=shorts, dix=None) == (["files", "made", "yahoo"], True)
    assert origin(market, dix=generated(market["dix"]))[1]


def test_gamma_of_an_index_chain_is_named(market):
    gamma = generated(market["dix"]).drop("dix")
    assert origin(market, dix=None, index_gamma=gamma) == (["files", "made", "yahoo"], True)
    assert not origin(market, index_gamma=gamma)[1]


def test_scores_count_through_the_symbol_of_their_document(market):
    own = market["scores"].join(
        market["news"].filter(pl.col("symbol") == "AAA").select(doc_id="item_id"), on="doc_id", how="semi"
    )
    rest = market["scores"].join(own, on=["doc_id", "source"], how="anti")
    scores = pl.concat([rest, generated(own)])
    assert origin(market, scores=scores)[1]
    assert not origin(market, scores=scores, symbols=["BBB"])[1]


def test_posts_on_reddit_about_others_stand_behind_the_share_of_mentions(market):
    posts = market["posts"]
    of_others = (pl.col("symbol") == "BBB") & (pl.col("session") > shift_session(SESSION, -2))
    for source, is_seen in (("reddit", True), ("x", False)):
        part = of_others & (pl.col("source") == source)
        assert origin(market, posts=pl.concat([posts.filter(~part), generated(posts.filter(part))]))[1] == is_seen


def test_greeks_are_named(market):
    schema = TABLES["greeks.option_greeks"].polars_schema
    close = schedule().filter(pl.col("session") == SESSION)["close_at"].item()
    row = {"session": SESSION, "symbol": "AAA", "known_at": close, "provider": "made", "synthetic": True}
    greeks = pl.DataFrame([row]).select(
        *(pl.col(name) if name in row else pl.lit(None, dtype).alias(name) for name, dtype in schema.items())
    )
    assert origin(market, greeks=greeks.cast(schema)) == (["files", "made", "yahoo"], True)


def test_measures_made_before_bring_their_origin(market):
    cut_offs = daily_points(market["bars"], [SESSION]).frame
    breadth = universe_breadth(cut_offs, market["bars"], market["index_levels"])
    assert breadth.select("provider", "synthetic").row(0) == ("yahoo", False)
    whole = run(market)
    dark = dark_index(cut_offs, market["dix"])
    assert run(market, breadth=breadth, dark=dark, dix=None).equals(whole)
    made = universe_breadth(cut_offs, generated(market["bars"]), market["index_levels"])
    assert made.select("provider", "synthetic").row(0) == ("made+yahoo", True)
    assert origin(market, breadth=made)[1]
    assert origin(market, dark=dark_index(cut_offs, generated(market["dix"])))[1]
    with pytest.raises(ValueError, match="breadth: expected a column 'provider'"):
        run(market, breadth=breadth.drop("provider"))


def test_texts_of_the_sessions_named_are_enough(texts, market):
    """Longer histories change nothing: 20 half-lives of posts and news, all of the calls that may be prior ones."""
    rng = np.random.default_rng(11)
    rows = [
        {"age": float(age), "symbol": "AAA", "hash": f"h{number % 40}", "id": f"d{number}"}
        | ({"kind": "article"} if number % 2 else {"source": "reddit", "author": f"{number % 9}"})
        for number, age in enumerate(rng.uniform(0.0, 24.0 * 60, 120))
    ]
    given = texts(rows)
    whole = run(market, **given)
    first = {"posts": shift_session(SESSION, -POSTS_SESSIONS), "news": shift_session(SESSION, -NEWS_SESSIONS)}
    short = {name: given[name].filter(pl.col("session") >= day) for name, day in first.items()}
    assert short["posts"].height < given["posts"].height
    assert whole.equals(run(market, **(given | short)))
