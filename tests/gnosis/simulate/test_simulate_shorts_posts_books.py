from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.sessions import schedule, sessions_between
from gnosis.simulate.book import order_books
from gnosis.simulate.posts import social_posts
from gnosis.simulate.shorts import short_volume

DAYS = sessions_between(dt.date(2008, 1, 2), dt.date(2008, 12, 31))


def test_short_volume_carries_the_planted_shares(history):
    frame, truth = short_volume(history.bars, 7)
    joined = frame.join(truth, on=["session", "symbol"]).join(history.bars, on=["session", "symbol"])
    ratio = joined["total_volume"] / joined["volume"] - joined["off_exchange_share"]
    assert ratio.abs().max() < 1e-4
    assert (frame["short_volume"] / frame["total_volume"]).mean() == pytest.approx(truth["short_share"].mean(), 1e-4)
    assert truth["off_exchange_share"].is_between(0.2, 0.6).all()
    close = frame.join(schedule(), on="session")
    assert (close["known_at"] > close["close_at"]).all()


def test_short_volume_of_one_session_equals_the_run(history):
    whole, _ = short_volume(history.bars, 7)
    alone, _ = short_volume(history.bars.filter(symbol="BBB"), 7, [DAYS[100]])
    assert alone.equals(whole.filter(session=DAYS[100], symbol="BBB"))
    with pytest.raises(ValueError, match="found none"):
        short_volume(history.bars.clear(), 7)


def test_posts_carry_the_planted_mood_and_attention():
    frame, truth = social_posts(["AAA", "BBB"], DAYS, 7, posts_per_session=30)
    counts = frame.group_by("session", "symbol").len()["len"]
    assert counts.mean() == pytest.approx(30, rel=0.03)
    assert counts.var() == pytest.approx(30, rel=0.2)
    votes = frame.group_by("session", "symbol").agg(
        level=(pl.col("tag") == "bullish").mean() - (pl.col("tag") == "bearish").mean()
    )
    joined = votes.join(truth, on=["session", "symbol"])
    assert joined.select(pl.corr("level", "mood")).item() > 0.8
    expected = 0.8 * np.tanh(joined["mood"].to_numpy() / 2)
    assert (joined["level"].to_numpy() - expected).mean() == pytest.approx(0, abs=0.02)


def test_posts_are_published_before_the_close_they_belong_to():
    frame = social_posts(["AAA"], DAYS, 7)[0].join(schedule(), on="session")
    assert (frame["known_at"] < frame["close_at"]).all()
    assert (frame["ts"] < frame["known_at"]).all()
    assert frame["post_id"].is_unique().all()


def test_posts_of_one_session_equal_the_run():
    whole, _ = social_posts(["AAA", "BBB"], DAYS, 7)
    alone, _ = social_posts(["BBB"], [DAYS[50]], 7)
    assert alone.equals(whole.filter(session=DAYS[50], symbol="BBB"))
    with pytest.raises(ValueError, match="posts_per_session > 0"):
        social_posts(["AAA"], DAYS, 7, posts_per_session=0)


def test_books_follow_the_planted_law_on_average(history):
    frame, truth = order_books(history.bars, 7)
    within = (
        frame.with_columns(dollars=pl.col("price") * pl.col("size"))
        .join(truth, on=["session", "symbol"])
        .group_by("session", "symbol", "side")
        .agg(
            pl.col("dollars").sum(),
            x=(pl.col("price") / pl.col("mid") - 1).abs().max(),
            adv=pl.col("adv_usd").first(),
            move=pl.col("move").first(),
        )
    )
    law = within["adv"] * (within["x"] / within["move"]) ** 2
    assert (within["dollars"] / law).mean() == pytest.approx(1, abs=0.02)
    best = frame.filter(level=1).pivot(on="side", index=["session", "symbol"], values="price")
    assert (best["B"] < best["A"]).all()


def test_book_of_one_session_equals_the_run(history):
    whole, _ = order_books(history.bars, 7)
    alone, _ = order_books(history.bars.filter(symbol="BBB"), 7, [DAYS[100]])
    assert alone.equals(whole.filter(session=DAYS[100], symbol="BBB"))
    with pytest.raises(ValueError, match="bids above 0"):
        order_books(history.bars, 7, half_spread_bps=2_000)
