import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.physics import PATH_RATIOS
from gnosis.options.positioning import gamma_profile
from gnosis.options.positioning.contracts import chain_spots, one_version


def gamma_profiles(greeks, revaluation="sticky_moneyness"):
    return gamma_profile.gamma_profiles(greeks, PATH_RATIOS, revaluation)


KEY = ["session", "symbol", "expiry", "settlement", "root"]


def skewed(k):
    return 0.2 - 0.4 * k + 1.5 * k * k


def slow_profiles(greeks, revaluation):
    """The definition, contract by contract and node by node."""
    call, put = {}, {}
    for (session, symbol, *_), expiry in greeks.group_by(KEY):
        smile = expiry.drop_nulls("iv").unique("strike").sort("strike")
        knots = np.log((smile["strike"] / smile["forward"]).to_numpy())
        for row in expiry.iter_rows(named=True):
            if row["iv"] is None or row["open_interest"] is None:
                continue
            side = call if row["right"] == "C" else put
            total = side.setdefault((session, symbol), np.zeros(101))
            for j, ratio in enumerate(PATH_RATIOS):
                forward = row["forward"] * ratio
                k = np.log(row["strike"] / forward)
                sigma = row["iv"] if revaluation == "sticky_strike" else np.interp(k, knots, smile["iv"].to_numpy())
                root = sigma * np.sqrt(row["tau_years"])
                d1 = -k / root + root / 2
                carry = row["forward"] * row["discount"] / row["spot"]
                gamma = carry * np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) / (row["spot"] * ratio * root)
                total[j] += gamma * row["open_interest"] * row["multiplier"]
    return call, put


@pytest.fixture(scope="module")
def chains(book):
    """Two symbols, three expiries, skewed smiles with gaps, unknown interest, and a root of its own."""
    strikes = [80.0, 90.0, 95.0, 98.0, 99.5, 100.0, 100.5, 102.0, 105.0, 112.0]
    rng = np.random.default_rng(5)

    def contracts():
        return [
            (r, k, None if rng.random() < 0.1 else float(rng.integers(0, 2000)))
            for r in ("C", "P")
            for k in strikes
            if rng.random() < 0.9
        ]

    parts = [
        book(contracts(), symbol=symbol, days=days, smile=skewed) for symbol in ("AAA", "BBB") for days in (1, 9, 90)
    ]
    morning = book(contracts(), symbol="BBB", days=9, smile=lambda k: skewed(k) + 0.05)
    parts.append(morning.with_columns(root=pl.lit("BBBW"), settlement=pl.lit("am").cast(morning.schema["settlement"])))
    frame = pl.concat(parts)
    return frame.with_columns(
        iv=pl.when((pl.col("strike") == 112) & (pl.col("dte_days") == 9)).then(None).otherwise("iv")
    )


@pytest.mark.parametrize("revaluation", ["sticky_moneyness", "sticky_strike"])
def test_kernel_equals_its_slow_twin(chains, revaluation):
    found = gamma_profiles(chains, revaluation)
    call, put = slow_profiles(chains, revaluation)
    for i, row in enumerate(found.chains.iter_rows(named=True)):
        key = (row["session"], row["symbol"])
        np.testing.assert_allclose(found.call[i], call[key], rtol=1e-12)
        np.testing.assert_allclose(found.put[i], put[key], rtol=1e-12)


def test_centre_is_the_gamma_of_the_greeks(chains):
    found = gamma_profiles(chains)
    size = pl.col("gamma_per_usd") * pl.col("open_interest") * pl.col("multiplier")
    want = chains.drop_nulls("iv").sort("symbol").group_by("symbol", maintain_order=True).agg(size.sum())
    np.testing.assert_allclose(found.call[:, 50] + found.put[:, 50], want["gamma_per_usd"].to_numpy(), rtol=1e-12)


def test_call_and_put_with_quotes_at_different_instants_are_separate_lines(book):
    frame = book([("C", 100.0, 10.0), ("P", 100.0, 10.0), ("C", 105.0, 5.0)], days=2)
    late = frame.with_columns(
        tau_years=pl.when(pl.col("right") == "P").then(pl.col("tau_years") * 0.9).otherwise("tau_years")
    )
    call, put = slow_profiles(late, "sticky_moneyness")
    found = gamma_profiles(late)
    np.testing.assert_allclose(found.call[0], next(iter(call.values())), rtol=1e-12)
    np.testing.assert_allclose(found.put[0], next(iter(put.values())), rtol=1e-12)


def test_quotes_at_different_spots_move_by_the_same_share(book):
    frame = book([("C", 100.0, 10.0)])
    later = book([("P", 100.0, 10.0)], spot=101.0, days=40).with_columns(ts=pl.col("ts") + dt.timedelta(seconds=1))
    found = gamma_profiles(pl.concat([frame, later]))
    assert found.chains["spot"].to_list() == [101.0]
    want = frame["gamma_per_usd"][0] * 10 * 100 * (100 / 101) ** 2
    assert found.call[0, 50] == pytest.approx(want, rel=1e-12)


def test_spot_of_a_chain_is_that_of_its_latest_quote(book):
    """Neither the first nor the last of the rows, of one instant the larger, and none that came after the session."""
    frame = book([("P", k, 1.0) for k in (90.0, 95.0, 100.0, 105.0, 110.0)])
    seconds = pl.Series([0, 9, 9, 3, 90_000])
    frame = frame.with_columns(
        ts=pl.col("ts") + pl.duration(seconds=seconds),
        spot=pl.Series([101.0, 102.0, 103.0, 104.0, 150.0]),
        reason=pl.Series([None, None, "wide", None, "late"], dtype=frame.schema["reason"]),
    )
    assert chain_spots(frame)["spot"].to_list() == [103.0]
    assert chain_spots(frame.reverse())["spot"].to_list() == [103.0]
    assert gamma_profiles(frame).chains["spot"].to_list() == [103.0]
    assert chain_spots(frame.tail(1))["spot"].to_list() == [150.0]


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 1.0), st.integers(1, 400), st.lists(st.floats(50, 150), min_size=1, max_size=6, unique=True))
def test_flat_smile_knows_one_revaluation(book, sigma, days, strikes):
    frame = book([("C", k, 100.0) for k in strikes], days=days, smile=lambda k: sigma)
    moneyness, strike = (gamma_profiles(frame, name).call for name in ("sticky_moneyness", "sticky_strike"))
    np.testing.assert_allclose(moneyness, strike, rtol=1e-9, atol=1e-200)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1e5), min_size=4, max_size=4), st.lists(st.floats(0, 1e5), min_size=4, max_size=4))
def test_profiles_are_linear_in_open_interest(book, one, two):
    def profile(interest):
        contracts = list(zip(["C", "P", "C", "P"], [95.0, 95.0, 103.0, 104.0], interest, strict=True))
        found = gamma_profiles(book(contracts, smile=skewed))
        return np.concatenate([found.call[0], found.put[0]])

    both = [a + 2 * b for a, b in zip(one, two, strict=True)]
    np.testing.assert_allclose(profile(both), profile(one) + 2 * profile(two), rtol=1e-12, atol=1e-9)


def test_unknown_interest_is_a_knot_but_has_no_size(book):
    contracts = [("C", 99.0, None), ("C", 100.0, 10.0), ("C", 101.0, None)]
    with_knots = gamma_profiles(book(contracts, smile=skewed))
    alone = gamma_profiles(book(contracts[1:2], smile=skewed))
    assert with_knots.chains["has_gamma"].item()
    assert with_knots.call[0, 50] == alone.call[0, 50]
    assert with_knots.call[0, 0] != alone.call[0, 0]


def test_nothing_known_is_said(book):
    frame = book([("C", 100.0, None)])
    assert not gamma_profiles(frame).chains["has_gamma"].item()
    without_iv = book([("C", 100.0, 5.0)]).with_columns(iv=None)
    assert not gamma_profiles(without_iv.cast(frame.schema)).chains["has_gamma"].item()


def test_of_repeated_contracts_the_latest_known_counts(chains):
    older = chains.with_columns(known_at=pl.col("known_at") - dt.timedelta(hours=1), open_interest=pl.lit(1e9))
    both = one_version(pl.concat([chains, older, chains]))
    assert both.equals(chains.sort([*KEY, "strike", "right"]))
    np.testing.assert_array_equal(gamma_profiles(pl.concat([older, chains])).call, gamma_profiles(chains).call)


def test_two_volatilities_at_one_strike_are_refused(book):
    frame = book([("C", 100.0, 1.0), ("P", 100.0, 1.0)])
    broken = frame.with_columns(iv=pl.Series([0.2, 0.3]))
    with pytest.raises(ValueError, match=r"one volatility for call and put .* strike 100.0"):
        gamma_profiles(broken)


def test_unknown_revaluation_is_named(mini_book):
    with pytest.raises(ValueError, match=r"revaluation: expected one of .* found 'sticky'"):
        gamma_profiles(mini_book, "sticky")


def test_missing_column_is_named(mini_book):
    with pytest.raises(ValueError, match="expected a column 'iv'"):
        gamma_profiles(mini_book.drop("iv"))
