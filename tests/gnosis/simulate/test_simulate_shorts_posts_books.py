from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.scoring.text import text_hash
from gnosis.sessions import schedule, sessions_between
from gnosis.simulate import dark_index, intraday_bars, news_items
from gnosis.simulate.book import order_books
from gnosis.simulate.posts import social_posts
from gnosis.simulate.shorts import short_volume
from gnosis.simulate.wording import sentences

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


def test_posts_of_a_script_come_as_often_as_it_says():
    script = pl.DataFrame({"session": DAYS[:2], "symbol": ["AAA"] * 2, "posts_per_session": [5.0, 300.0]})
    frame, truth = social_posts(["AAA"], DAYS[:2], 7, script)
    assert truth["posts_expected"].to_list() == [5.0, 300.0]
    counts = frame["session"].value_counts().sort("session")["count"].to_list()
    assert counts[0] < 20 < 250 < counts[1] < 350
    usual, _ = social_posts(["AAA"], DAYS[:1], 7, posts_per_session=5.0)
    assert usual.equals(frame.filter(session=DAYS[0]))
    with pytest.raises(ValueError, match="for every symbol and session"):
        social_posts(["AAA", "BBB"], DAYS[:2], 7, script)


def test_details_tell_posts_apart_and_change_nothing_else():
    plain, detailed = (
        social_posts(["AAA"], DAYS[:10], 7, posts_per_session=200, has_details=has)[0] for has in (False, True)
    )
    assert plain.drop("text", "text_hash").equals(detailed.drop("text", "text_hash"))
    assert plain["text_hash"].n_unique() < 0.5 * plain.height
    assert 0.9 < detailed["text_hash"].n_unique() / detailed.height < 0.97
    assert all(text_hash(text) == found for text, found in detailed.head(50).select("text", "text_hash").rows())


def test_a_book_shows_the_share_of_the_law_that_is_planted(history):
    day = DAYS[100]
    share = pl.DataFrame({"session": [day], "symbol": ["AAA"], "depth_share": [0.2]})
    thin, truth = order_books(history.bars, 7, [day], depth=share)
    usual, _ = order_books(history.bars, 7, [day])
    assert truth["depth_share"].to_list() == [0.2, 1.0]
    assert thin.filter(symbol="BBB").equals(usual.filter(symbol="BBB"))
    sizes = [frame.filter(symbol="AAA")["size"].sum() for frame in (thin, usual)]
    assert sizes[0] / sizes[1] == pytest.approx(0.2, abs=0.01)
    with pytest.raises(ValueError, match="depth_share > 0"):
        order_books(history.bars, 7, [day], depth=share.with_columns(depth_share=pl.lit(0.0)))


def test_books_follow_the_planted_law_on_average(history):
    frame, truth = order_books(history.bars, 7, DAYS[100:140], loss_chance=0)
    mid = (pl.col("price").filter(level=1).mean()).over("session", "symbol", "ts")
    within = (
        frame.with_columns(dollars=pl.col("price") * pl.col("size"), mid=mid)
        .join(truth, on=["session", "symbol"])
        .group_by("session", "symbol", "ts", "side")
        .agg(
            pl.col("dollars").sum(),
            x=(pl.col("price") / pl.col("mid") - 1).abs().max(),
            adv=pl.col("adv_usd").first(),
            move=pl.col("move").first(),
        )
    )
    law = within["adv"] * (within["x"] / within["move"]) ** 2
    assert (within["dollars"] / law).mean() == pytest.approx(1, abs=0.02)
    best = frame.filter(level=1).pivot(on="side", index=["session", "symbol", "ts"], values="price")
    assert (best["B"] < best["A"]).all()


def test_book_of_one_session_equals_the_run(history):
    whole, _ = order_books(history.bars, 7, DAYS[99:102])
    alone, _ = order_books(history.bars.filter(symbol="BBB"), 7, [DAYS[100]])
    assert alone.equals(whole.filter(session=DAYS[100], symbol="BBB"))
    with pytest.raises(ValueError, match="bids above 0"):
        order_books(history.bars, 7, half_spread_bps=2_000)


def test_books_are_there_every_minute_and_follow_the_minute_bars(history):
    day = [DAYS[100]]
    frame, _ = order_books(history.bars, 7, day)
    closes = intraday_bars(history.bars, 7, day).filter(frequency="1min").select("symbol", "ts", "close")
    best = (
        frame.filter(level=1).pivot(on="side", index=["symbol", "ts"], values="price").join(closes, on=["symbol", "ts"])
    )
    assert best.height == 2 * 390
    assert ((best["A"] + best["B"]) / 2 / best["close"] - 1).abs().max() < 1e-12
    assert (frame["known_at"] == frame["ts"]).all()
    assert (frame["size"] >= 1).all()
    assert (frame["size"] % 1 == 0).all()


def test_a_sudden_loss_of_depth_comes_back(history):
    day = [DAYS[100]]
    with_losses, without = (order_books(history.bars, 7, day, loss_chance=chance)[0] for chance in (0.02, 0.0))
    left = (with_losses["size"] / without["size"]).to_numpy().reshape(2, 390, 2, 10).sum(axis=3) / 10
    drops = np.argwhere((np.diff(left, axis=1) < -0.5) & (left[:, :-1] > 0.97))
    symbol, minute, side = drops[drops[:, 1] < 380].T
    assert len(symbol) >= 5
    np.testing.assert_allclose(np.median(left[symbol, minute + 1, side]), 0.4, atol=0.02)
    np.testing.assert_allclose(np.median(left[symbol, minute + 4, side]), 0.7, atol=0.02)


def test_texts_follow_the_planted_mood_and_repeat_themselves():
    frame, truth = social_posts(["AAA", "BBB"], DAYS, 7, posts_per_session=30)
    assert (frame["text"].str.split(" ").list.len() >= 3).all()
    for symbol in ("AAA", "BBB"):
        assert frame.filter(symbol=symbol)["text"].str.contains(f"${symbol}", literal=True).all()
    texts = frame.select("text", "text_hash").unique()
    assert texts.height == texts["text_hash"].n_unique() < 1500
    assert all(text_hash(row["text"]) == row["text_hash"] for row in texts.head(50).iter_rows(named=True))
    good = {line.replace("{symbol}", symbol) for line in sentences("posts")[0] for symbol in ("AAA", "BBB")}
    share = frame.group_by("session", "symbol").agg(good=pl.col("text").is_in(list(good)).mean())
    assert share.join(truth, on=["session", "symbol"]).select(pl.corr("good", "mood")).item() > 0.7
    copies = frame.filter(pl.struct("session", "symbol", "text_hash").is_duplicated())
    assert copies.height / frame.height > 0.05
    near = frame.filter(pl.col("text").str.contains(" (imo|fyi)$"))
    assert 0.03 < near.height / frame.height < 0.07
    assert "wallstreetbets" in frame.filter(source="reddit")["community"].to_list()


def test_news_follow_the_mood_and_are_known_before_the_close_they_belong_to():
    frame, truth = news_items(["AAA", "BBB"], DAYS, 7)
    close = frame.join(schedule(), on="session")
    assert (close["known_at"] <= close["close_at"]).all()
    calls = frame.filter(pl.col("kind").cast(pl.String).str.starts_with("earnings"))
    assert calls.group_by("event_id").len()["len"].unique().to_list() == [2]
    assert calls.height == 2 * 2 * 4
    assert frame.filter(kind="filing").height == 2 * 4
    # A call after the close belongs to the next session.
    late = calls.join(schedule(), on="session")
    assert (late["ts"] < late["open_at"]).all()
    assert truth.height == 2 * len(DAYS)
    assert frame["item_id"].is_unique().all()


def test_news_of_one_session_equal_the_run():
    whole, _ = news_items(["AAA", "BBB"], DAYS, 7)
    day = whole.filter(kind="earnings_qa", symbol="BBB")["session"][0]
    alone, _ = news_items(["BBB"], [day], 7)
    assert alone.equals(whole.filter(session=day, symbol="BBB"))
    with pytest.raises(ValueError, match="articles_per_session > 0"):
        news_items(["AAA"], DAYS, 7, articles_per_session=0)


def test_the_dark_index_is_a_persistent_share_known_in_the_evening():
    frame = dark_index(DAYS, 7)
    assert frame.equals(pl.concat([dark_index(DAYS[:100], 7), dark_index(DAYS[100:], 7)]))
    assert frame["dix"].is_between(0.3, 0.6).all()
    assert frame.select(pl.corr("dix", pl.col("dix").shift())).item() > 0.8
    evening = frame.select(pl.col("known_at").dt.convert_time_zone("America/New_York").dt.hour())["known_at"]
    assert evening.unique().to_list() == [20]
