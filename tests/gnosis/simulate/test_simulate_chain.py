from __future__ import annotations

import datetime as dt
import io

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.options.pricing.american import american_implied_vol, tree_value
from gnosis.options.surface.ssvi import certify_term_structure
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.simulate import ChainSpec, macro_vintages, market, option_chain
from gnosis.simulate.chain import CHAIN_HISTORY_SESSIONS, priced_lines
from gnosis.simulate.listing import expiries
from gnosis.tables import TABLES

SEED = 7


@pytest.fixture(scope="module")
def chain(history, macro, chain_sessions):
    return option_chain(history.bars, macro, SEED, chain_sessions)


def test_rows_satisfy_the_table_and_are_sorted(chain):
    TABLES["raw.option_quotes"].schema.validate(chain)
    assert chain.equals(chain.sort(TABLES["raw.option_quotes"].key))
    assert chain["synthetic"].all()
    assert chain["provider"].unique().to_list() == ["simulate"]
    assert chain["settlement"].unique().to_list() == ["pm"]
    assert chain["style"].unique().to_list() == ["E"]
    assert chain["deliverable_shares"].null_count() == chain.height


def test_rerun_gives_the_same_bytes(history, macro, chain, chain_sessions):
    buffers = [io.BytesIO(), io.BytesIO()]
    chain.write_parquet(buffers[0])
    option_chain(history.bars, macro, SEED, chain_sessions).write_parquet(buffers[1])
    assert buffers[0].getvalue() == buffers[1].getvalue()


@pytest.mark.parametrize("place", [0, 9, 10, 20, -1])
def test_one_session_alone_equals_the_run(history, macro, chain, chain_sessions, place):
    day = chain_sessions[place]
    alone = option_chain(history.bars, macro, SEED, [day])
    assert_frame_equal(alone, chain.filter(session=day), check_exact=True)


def test_a_symbol_alone_and_shuffled_bars_change_nothing(history, macro, chain, chain_sessions):
    day = chain_sessions[12]
    bars = history.bars.filter(symbol="BBB").sample(fraction=1.0, shuffle=True, seed=1)
    assert_frame_equal(
        option_chain(bars, macro, SEED, [day]), chain.filter(session=day, symbol="BBB"), check_exact=True
    )


def test_the_declared_history_is_enough(history, macro, chain, chain_sessions):
    day = chain_sessions[-1]
    start = shift_session(day, -CHAIN_HISTORY_SESSIONS)
    found = option_chain(history.bars.filter(pl.col("session") >= start), macro, SEED, [day])
    assert_frame_equal(found, chain.filter(session=day), check_exact=True)


@pytest.mark.parametrize("poison", ["garbage", "truncate"])
def test_later_bars_change_nothing(history, macro, chain, chain_sessions, poison):
    cut = chain_sessions[20]
    later = pl.col("session") > cut
    bars = history.bars.filter(~later)
    if poison == "garbage":
        prices = [
            pl.when(later).then(pl.col(name) * 5).otherwise(pl.col(name)).alias(name)
            for name in ("open", "high", "low", "close", "volume")
        ]
        bars = history.bars.with_columns(prices)
    found = option_chain(bars, macro, SEED, chain_sessions).filter(~later)
    assert_frame_equal(found, chain.filter(~later), check_exact=True)


def test_only_the_spot_reads_the_bar_of_its_session(history, macro, chain_sessions):
    day = chain_sessions[20]
    prices = [
        pl.when(pl.col("session") == day).then(pl.col(name) * 1.1).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "close")
    ]
    columns = ["expiry", "strike", "volatility", "volatility_long", "rho", "eta", "call_interest", "put_interest"]
    before, after = (
        priced_lines(bars, macro, SEED, [day], ChainSpec())
        for bars in (history.bars, history.bars.with_columns(prices))
    )
    assert_frame_equal(before.select(columns), after.select(columns), check_exact=True)
    assert (after["spot"] / before["spot"]).to_numpy() == pytest.approx(1.1, rel=1e-6)


def test_spot_lies_in_the_range_and_does_not_tell_the_close(history, macro):
    days = sessions_between(dt.date(2008, 1, 2), dt.date(2009, 6, 30))
    chain = option_chain(history.bars, macro_vintages(days, SEED), SEED, days)
    spots = chain.select("session", "symbol", "spot").unique().sort("symbol", "session")
    frame = spots.join(history.bars, on=["session", "symbol"])
    assert (frame["spot"] >= frame["low"]).all()
    assert (frame["spot"] <= frame["high"]).all()
    assert (frame["spot"] != frame["close"]).all()
    last, day = (frame.select((pl.col("close") / pl.col(name)).log()).to_series() for name in ("spot", "open"))
    share = (last.pow(2).mean() / day.pow(2).mean()) * 390 / 15
    assert 0.4 < share < 1.5


@pytest.mark.real_data
def test_on_observed_bars_the_spot_does_not_predict_the_last_minutes(shared_data):
    bars = (
        pl.read_parquet(shared_data / "equities" / "lean_us_daily_raw.parquet")
        .filter(pl.col("ticker").is_in(["SPY", "AAPL", "IBM", "BAC"]), pl.col("date").dt.year().is_between(2008, 2013))
        .select(
            pl.col("open", "high", "low", "close"),
            session=pl.col("date").cast(pl.Date),
            symbol=pl.col("ticker").cast(pl.String),
            volume=pl.col("volume").cast(pl.Float64),
            adjustment_factor=pl.lit(1.0),
        )
        .join(schedule(), on="session")
        .with_columns(ts="close_at", known_at="close_at", provider=pl.lit("lean"), synthetic=pl.lit(False))
    )
    days = sessions_between(dt.date(2009, 1, 2), dt.date(2013, 12, 31))
    chain = option_chain(bars, macro_vintages(days, SEED), SEED, days)
    TABLES["raw.option_quotes"].schema.validate(chain)
    spots = chain.select("session", "symbol", "spot").unique().sort("symbol", "session")
    frame = spots.join(bars, on=["session", "symbol"]).filter(pl.col("high") > pl.col("low"))
    assert frame.height > 4_500
    assert frame.select((pl.col("spot") != pl.col("close")).all()).item()
    scale = (pl.col("high") / pl.col("low")).log()
    parts = frame.select(
        so_far=(pl.col("spot") / pl.col("open")).log() / scale,
        last=(pl.col("close") / pl.col("spot")).log() / scale,
    )
    assert abs(parts.select(pl.corr("so_far", "last")).item()) < 0.1


def test_chain_has_the_listed_expiries_and_about_seventeen_strikes(chain):
    assert chain.group_by("session", "symbol").agg(pl.col("expiry").n_unique())["expiry"].unique().to_list() == [4]
    strikes = chain.group_by("session", "symbol", "expiry").agg(pl.col("strike").n_unique())["strike"]
    assert strikes.min() >= 7
    assert 12 < strikes.mean() < 25
    assert chain.group_by("session", "symbol", "expiry", "strike").len()["len"].unique().to_list() == [2]


def test_expiries_are_third_fridays_or_the_session_before():
    table = expiries().filter(pl.col("expiry").dt.year() == 2008)["expiry"]
    assert table.len() == 12
    assert dt.date(2008, 3, 20) in table.to_list()
    assert table.is_in(schedule()["session"].implode()).all()


def test_contracts_stay_listed_until_they_expire(chain, chain_sessions):
    spans = chain.group_by("symbol", "expiry", "strike", "right").agg(
        first=pl.col("session").min(), last=pl.col("session").max(), sessions=pl.len()
    )
    ends = pl.min_horizontal("expiry", pl.lit(chain_sessions[-1]))
    assert spans.select((pl.col("last") == ends).all()).item()
    position = {day: index for index, day in enumerate(chain_sessions)}
    for first, last, sessions in spans.select("first", "last", "sessions").iter_rows():
        assert sessions == position[last] - position[first] + 1


def test_open_interest_is_of_the_session_before_and_null_on_the_first(history, macro, chain, chain_sessions):
    lines = priced_lines(history.bars, macro, SEED, chain_sessions, ChainSpec())
    today = lines.select(
        "symbol", "expiry", "strike", pl.col("session").alias("oi_session"), closed="call_interest_close"
    )
    calls = chain.filter(right="C", session=chain_sessions[-1])
    joined = calls.join(today, on=["symbol", "expiry", "strike", "oi_session"], how="inner")
    assert joined.height > 50
    assert (joined["open_interest"] == joined["closed"]).all()
    assert joined["oi_session"].unique().to_list() == [chain_sessions[-2]]
    firsts = chain.filter(pl.col("session") == pl.col("session").min().over("symbol", "expiry", "strike", "right"))
    new = firsts.filter(pl.col("session") > chain_sessions[0])
    assert new.height > 0
    assert new["open_interest"].null_count() == new.height
    assert new["oi_session"].null_count() == new.height
    rest = chain.filter(pl.col("open_interest").is_null() != pl.col("oi_session").is_null())
    assert rest.is_empty()


def test_open_interest_moves_smoothly(chain):
    moves = (
        chain.sort("session")
        .with_columns(before=pl.col("open_interest").shift().over("symbol", "expiry", "strike", "right"))
        .filter(pl.col("before") > 500)
        .select((pl.col("open_interest") / pl.col("before")).log().abs())
        .to_series()
    )
    assert moves.median() < 0.1
    assert moves.quantile(0.99) < 0.5


def test_dealer_gamma_is_a_few_per_cent_of_depth():
    days = sessions_between(dt.date(2006, 1, 3), dt.date(2006, 6, 30))
    daily = market("options", ["AAA", "BBB", "CCC"], days, SEED).truth.daily.drop_nulls("amplification")
    ratio = (daily["dealer_gamma_usd_per_unit"] / daily["depth_usd_per_unit"]).abs()
    assert 0.003 < ratio.median() < 0.10


def test_a_split_restarts_the_listing(history, macro, chain_sessions):
    day = chain_sessions[15]
    after = pl.col("session") >= day
    bars = history.bars.filter(symbol="AAA").with_columns(
        *(pl.when(after).then(pl.col(n) / 2).otherwise(pl.col(n)).alias(n) for n in ("open", "high", "low", "close")),
        volume=pl.when(after).then(pl.col("volume") * 2).otherwise(pl.col("volume")),
        adjustment_factor=pl.when(after).then(2.0).otherwise(1.0),
    )
    found = option_chain(bars, macro, SEED, [day])
    assert found["open_interest"].null_count() == found.height
    assert (found["strike"] / found["spot"]).min() > 0.3
    assert (found["strike"] / found["spot"]).max() < 3


def test_quotes_surround_the_model_price_on_the_tick_grid(history, macro, chain, chain_sessions):
    lines = priced_lines(history.bars, macro, SEED, chain_sessions, ChainSpec())
    calls = chain.filter(right="C").join(lines, on=["session", "symbol", "expiry", "strike"])
    assert (calls["bid"] <= calls["call_usd"]).all()
    assert (calls["call_usd"] < calls["ask"]).all()
    tick = np.where(calls["call_usd"] < 3, 0.01, 0.05)
    for name in ("bid", "ask"):
        steps = calls[name].to_numpy() / tick
        assert steps == pytest.approx(np.round(steps), abs=1e-6)
    assert ((calls["bid"] == 0) == (calls["bid_size"] == 0)).all()


@pytest.fixture(scope="module")
def american(history, macro, chain_sessions):
    """A chain of American contracts with its truth, one row per contract."""
    days, spec = chain_sessions[:3], ChainSpec(style="A")
    quotes = option_chain(history.bars, macro, SEED, days, spec)
    lines = priced_lines(history.bars, macro, SEED, days, spec).drop("ts", "spot", "oi_session")
    return quotes.join(lines, on=["session", "symbol", "expiry", "strike"])


def test_american_contracts_are_worth_early_exercise_more_than_european(history, macro, chain, american):
    assert american["style"].unique().to_list() == ["A"]
    drawn = ["bid_size", "ask_size", "volume", "open_interest"]
    both = american.join(chain, on=["session", "symbol", "expiry", "strike", "right"], suffix="_european")
    assert both.height == american.height
    rising = both.filter(pl.col("bid") > 0, pl.col("bid_european") > 0)
    for name in drawn:
        assert rising[name].equals(rising[f"{name}_european"], null_equal=True)
    assert (both["bid"] >= both["bid_european"] - 1e-9).all()
    puts = both.filter(pl.col("right") == "P")
    assert (puts["ask"] >= puts["strike"] - puts["spot"]).all()
    assert (puts["bid"] > puts["bid_european"]).any()


def test_american_quotes_return_the_planted_volatilities_within_half_the_spread(american):
    calls_are_outside = pl.col("strike") >= pl.col("forward")
    outside = american.filter(pl.col("bid") > 0, (pl.col("right") == "C") == calls_are_outside)
    assert outside.height > 250
    names = ("spot", "strike", "tau_years", "forward", "discount")
    terms = [outside[name].to_numpy() for name in names]
    is_call = (outside["right"] == "C").to_numpy()
    low, mid, high = (
        american_implied_vol(price.to_numpy(), *terms, is_call)
        for price in (outside["bid"], (outside["bid"] + outside["ask"]) / 2, outside["ask"])
    )
    assert (mid.reason == 0).all()
    assert (high.reason == 0).all()
    planted = outside["iv"].to_numpy()
    # A bid in the region of immediate exercise has no volatility and bounds nothing.
    floor = np.where(low.reason == 0, low.iv, 0.0)
    assert (floor <= planted).all()
    assert (planted <= high.iv).all()
    value = tree_value(*terms, mid.iv, is_call).american
    model = np.where(is_call, outside["call_usd"], outside["put_usd"])
    half = ((outside["ask"] - outside["bid"]) / 2).to_numpy()
    assert value == pytest.approx(((outside["bid"] + outside["ask"]) / 2).to_numpy(), abs=1e-8)
    assert (np.abs(value - model) <= half + 1e-8).all()


def test_american_quotes_without_ticks_return_the_planted_volatilities(history, macro, chain_sessions):
    spec = ChainSpec(tick_below_usd=None, tick_above_usd=None, style="A")
    lines = priced_lines(history.bars, macro, SEED, chain_sessions[:1], spec)
    terms = [lines[name].to_numpy() for name in ("spot", "strike", "tau_years", "forward", "discount")]
    is_call = lines["strike"].to_numpy() >= lines["forward"].to_numpy()
    found = american_implied_vol(np.where(is_call, lines["call_usd"], lines["put_usd"]), *terms, is_call)
    solved = found.reason == 0
    assert solved.mean() > 0.95
    assert found.iv[solved] == pytest.approx(lines["iv"].to_numpy()[solved], abs=1e-8)


def test_certified_market_quotes_are_free_of_arbitrage(exact):
    chain = exact.option_quotes.with_columns(mid=(pl.col("bid") + pl.col("ask")) / 2)
    half = chain.select((pl.col("ask") - pl.col("bid")) / 2 / pl.col("mid")).to_series()
    assert half.to_numpy() == pytest.approx(0.01, rel=1e-9)
    sides = chain.pivot(on="right", index=["session", "expiry", "strike"], values="mid").join(
        exact.truth.contracts, on=["session", "expiry", "strike"]
    )
    parity = sides.select(pl.col("C") - pl.col("P") - pl.col("discount") * (pl.col("forward") - pl.col("strike")))
    assert parity.to_series().abs().max() < 1e-10
    for _, group in sides.sort("strike").group_by("session", "expiry", maintain_order=True):
        strikes, calls = group["strike"].to_numpy(), group["C"].to_numpy()
        slopes = np.diff(calls) / np.diff(strikes)
        assert (slopes <= 1e-12).all()
        assert (slopes >= -group["discount"][0] - 1e-12).all()
        assert (np.diff(slopes) >= -1e-10).all()


def test_certified_market_rises_in_tau(exact):
    slices = exact.truth.contracts.select("session", "expiry", "theta").unique().sort("session", "expiry")
    for _, group in slices.group_by("session", maintain_order=True):
        certify_term_structure(group["theta"].to_numpy())


def test_truth_gamma_of_dealers_is_the_sum_over_contracts(exact):
    day = exact.truth.daily["session"][-1]
    chain = exact.option_quotes.filter(session=day).join(
        exact.truth.contracts.select("session", "expiry", "strike", "gamma_per_usd"), on=["session", "expiry", "strike"]
    )
    sign = pl.when(pl.col("right") == "C").then(1.0).otherwise(-1.0)
    total = chain.select(
        (sign * pl.col("gamma_per_usd") * pl.col("open_interest") * 100 * pl.col("spot") ** 2).sum()
    ).item()
    assert exact.truth.daily["dealer_gamma_usd_per_unit"][-1] == pytest.approx(total, rel=1e-12)


def test_missing_inputs_are_named(history, macro, chain_sessions):
    with pytest.raises(ValueError, match="DGS3MO"):
        option_chain(history.bars, macro.filter(pl.col("series_id") != "DGS3MO"), SEED, chain_sessions[:1])
    with pytest.raises(ValueError, match=r"raw\.equity_bars"):
        option_chain(history.bars.clear(), macro, SEED, chain_sessions[:1])
    with pytest.raises(ValueError, match="expected a spot"):
        spots = pl.DataFrame(schema={"session": pl.Date, "symbol": pl.String, "spot": pl.Float64})
        option_chain(history.bars, macro, SEED, chain_sessions[:1], spots=spots)
    with pytest.raises(ValueError, match="both ticks"):
        ChainSpec(tick_below_usd=None)
    with pytest.raises(ValueError, match="style"):
        ChainSpec(style="B")
    assert option_chain(history.bars, macro, SEED, []).is_empty()


def test_a_symbol_without_history_has_no_chain(history, macro, chain_sessions):
    bars = history.bars.filter(pl.col("session") > shift_session(chain_sessions[0], -64))
    assert option_chain(bars, macro, SEED, chain_sessions[:1]).is_empty()
