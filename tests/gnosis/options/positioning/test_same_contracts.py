"""Exposures and levels speak of the same contracts: which count, in what order they are summed, what is not read."""

from __future__ import annotations

import datetime as dt
from functools import partial

import numpy as np
import polars as pl
import pytest

from gnosis.options import delta_profiles, exposure, exposure_totals, levels, option_greeks
from gnosis.options.positioning.conventions import FRACTIONS_SCHEMA
from gnosis.options.positioning.expiry_sets import with_expiry_set
from gnosis.options.positioning.exposure import contract_exposure
from gnosis.options.positioning.gamma_profile import gamma_profiles
from gnosis.tables import TABLES
from gnosis.tables.greeks import SIGN_CONVENTIONS

SUMMED = ["gex_usd_per_pct", "dex_usd", "vex_usd_per_volpt", "cex_usd_per_day", "open_interest", "n_contracts"]
SUMMED += ["n_without_iv", "spot"]
BY = ["session", "symbol", "expiry_set", "sign_convention"]


@pytest.fixture(scope="module")
def chain(book):
    """Morning- and afternoon-settled roots of one date, awkward numbers, all kinds of contract that are left out."""
    rng = np.random.default_rng(11)
    strikes = np.arange(90.0, 111.0, 2.5)

    def contracts():
        return [(r, k, float(rng.integers(0, 5000)) / 7) for r in "CP" for k in strikes]

    parts = []
    for symbol in ("AAA", "BBB"):
        for days in (1, 16, 51):
            afternoon = book(contracts(), symbol=symbol, days=days, smile=lambda k: 0.2 - 0.3 * k)
            morning = book(contracts(), symbol=symbol, days=days, smile=lambda k: 0.21 - 0.3 * k)
            am = pl.lit("am", dtype=morning.schema["settlement"])
            parts += [afternoon, morning.with_columns(settlement=am, root=pl.lit(f"{symbol}X"))]
    frame = pl.concat(parts)
    number = pl.int_range(pl.len()) % 11
    return frame.with_columns(
        iv=pl.when((pl.col("strike") != 90) | (pl.col("settlement") == "am")).then("iv"),
        forward=pl.when((pl.col("strike") != 110) | (pl.col("settlement") == "pm")).then("forward"),
        open_interest=pl.when(number != 3).then("open_interest"),
        reason=pl.when(number == 5).then(pl.lit("settled")).cast(frame.schema["reason"]),
    )


def fractions_of(frame, x):
    sign = pl.lit("flow_signed", dtype=pl.Enum(SIGN_CONVENTIONS))
    return frame.with_columns(sign_convention=sign, x=x).drop_nulls("x").select(list(FRACTIONS_SCHEMA))


def in_levels(frame, conventions, **settings):
    return levels(frame, conventions, **settings).sort(BY).select(*BY, *SUMMED)


def in_totals(frame, conventions, fractions=None):
    return exposure_totals(with_expiry_set(frame), BY[:3], conventions, fractions).sort(BY).select(*BY, *SUMMED)


def test_levels_are_the_sums_of_the_exposures_to_the_bit(chain):
    conventions = ["naive", "customer_long", "inverted", "flow_signed"]
    number = pl.int_range(pl.len())
    given = fractions_of(chain, pl.when(number % 3 != 0).then((number % 17) / 17 - 0.4))
    wanted = in_totals(chain, conventions, given)
    assert wanted["expiry_set"].n_unique() == 3
    found = in_levels(chain, conventions, fractions=given).join(wanted, on=BY, how="semi").sort(BY)
    assert found.equals(wanted)


def test_the_sum_of_lines_in_their_order_is_the_total(chain):
    lines = contract_exposure(chain, ["naive"]).filter(pl.col("symbol") == "AAA").drop_nulls("gex_usd_per_pct")
    one_after_the_other = np.cumsum(lines["gex_usd_per_pct"].to_numpy())[-1]
    total = levels(chain, ["naive"]).filter((pl.col("symbol") == "AAA") & (pl.col("expiry_set") == "all"))
    assert total["gex_usd_per_pct"].item() == one_after_the_other
    assert lines.equals(lines.sort("expiry", "strike", "right", "settlement", "root"))


def test_a_contract_that_comes_twice_counts_once_in_its_latest_version(chain):
    older = chain.with_columns(known_at=pl.col("known_at") - dt.timedelta(hours=1), open_interest=pl.lit(9e9))
    both = pl.concat([older, chain, chain])
    assert exposure(both).equals(exposure(chain))
    assert exposure_totals(both).equals(exposure_totals(chain))
    assert contract_exposure(both).equals(contract_exposure(chain))
    assert levels(both).equals(levels(chain))
    both, once = (with_expiry_set(frame) for frame in (both, chain))
    assert exposure_totals(both, BY[:3]).equals(exposure_totals(once, BY[:3]))


def test_one_spot_of_a_chain(book):
    """The latest quote decides, also one without open interest; a quote after the session never does."""
    frame = book([("C", 100.0, 10.0), ("P", 95.0, None), ("P", 90.0, 5.0)])
    frame = frame.with_columns(
        ts=pl.col("ts") + pl.duration(seconds=pl.Series([0, 60, 180_000])),
        spot=pl.Series([100.0, 100.5, 130.0]),
        iv=pl.Series([0.2, 0.2, None]),
        reason=pl.Series([None, "oi_missing", "late"], dtype=frame.schema["reason"]),
    )
    assert exposure(frame)["spot"].unique().to_list() == [100.5]
    assert exposure_totals(frame)["spot"].unique().to_list() == [100.5]
    assert levels(frame)["spot"].unique().to_list() == [100.5]


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_open_interest_that_cannot_be_is_refused_in_the_same_words(mini_book, value):
    broken = mini_book.with_columns(
        open_interest=pl.when(pl.col("strike") < 105).then("open_interest").otherwise(value)
    )
    calls = [exposure, exposure_totals, contract_exposure, levels]
    calls += [partial(profiles, ratios=[1.0]) for profiles in (delta_profiles, gamma_profiles)]
    for call in calls:
        with pytest.raises(ValueError, match=r"expected open_interest as finite contracts >= 0, .* 105\.0, 'C'"):
            call(broken)


def test_what_is_no_setting_is_said(mini_book):
    for threads in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="threads: expected a positive whole number, found"):
            levels(mini_book, threads=threads)
    for symbols in (None, "SPX", [1]):
        with pytest.raises(ValueError, match="index_symbols: expected a collection of symbols such as"):
            levels(mini_book, index_symbols=symbols)
    assert levels(mini_book, index_symbols=pl.Series(["AAA"])).equals(levels(mini_book, index_symbols={"AAA"}))


@pytest.fixture
def raw_quotes(model_quotes):
    """One chain of raw quotes whose open interest is half known and half of the session itself."""
    quotes = model_quotes(np.arange(90.0, 111.0, 2.5), sigma=lambda k: 0.2 + 0.001 * (100 - k))
    session = quotes["session"][0]
    is_early = pl.int_range(pl.len()) % 2 == 0
    oi_session = pl.when(is_early).then(pl.lit(session - dt.timedelta(days=1))).otherwise(pl.lit(session))
    return quotes.with_columns(oi_session=oi_session, open_interest=pl.int_range(pl.len()) * 10.0 + 1)


def derived(quotes, rates):
    greeks = option_greeks(quotes, rates)
    return greeks, exposure(greeks), levels(greeks, index_symbols=["XYZ"])


def test_volume_is_in_no_exposure(raw_quotes, rate_rows):
    """Positions opened and closed within a day do not show in open interest, and volume is not mixed in."""
    assert not [name for name in TABLES["greeks.exposure"].polars_schema if "volume" in name]
    rng = np.random.default_rng(2)
    _, gex, told = derived(raw_quotes, rate_rows())
    assert gex["n_contracts"].sum() > 0
    volume = pl.Series("volume", rng.integers(0, 10**6, raw_quotes.height)).cast(raw_quotes.schema["volume"])
    found = derived(raw_quotes.with_columns(volume), rate_rows())
    assert found[1].equals(gex) and found[2].equals(told)


def test_open_interest_known_later_changes_nothing(raw_quotes, rate_rows):
    """Random numbers in place of the open interest of the session itself and of the next."""
    rng = np.random.default_rng(3)
    wanted = derived(raw_quotes, rate_rows())
    assert wanted[0]["open_interest"].null_count() == raw_quotes.height // 2
    session = raw_quotes["session"][0]
    for days in (0, 1):
        is_late = pl.col("oi_session") == session
        noise = pl.Series(rng.uniform(0, 1e9, raw_quotes.height))
        poisoned = raw_quotes.with_columns(
            open_interest=pl.when(is_late).then(noise).otherwise("open_interest"),
            oi_session=pl.when(is_late).then(pl.lit(session + dt.timedelta(days=days))).otherwise("oi_session"),
        )
        for found, want in zip(derived(poisoned, rate_rows()), wanted, strict=True):
            assert found.equals(want)
