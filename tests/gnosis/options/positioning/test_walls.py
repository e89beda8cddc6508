import numpy as np
import polars as pl
import pytest

from gnosis.options.positioning.bands import Prior
from gnosis.options.positioning.dealer_book import dealer_book
from gnosis.options.positioning.walls import WALLS, walls


def found(greeks, convention="naive", index_symbols=(), prior=None, expiry_set="all"):
    rows = walls(dealer_book(greeks, [convention], index_symbols, prior, None))
    return rows.filter(pl.col("expiry_set") == expiry_set).row(0, named=True)


def with_gamma(greeks, gamma):
    return greeks.with_columns(gamma_per_usd=pl.col("strike").replace_strict(gamma, return_dtype=pl.Float64))


def test_reference_mini_book(mini_book):
    naive = found(mini_book)
    assert (naive["call_wall"], naive["put_wall"]) == (100.0, 95.0)
    assert naive["gamma_wall"] == 105.0
    long = found(mini_book, "customer_long")
    assert (long["call_wall"], long["call_wall_share"], long["put_wall"]) == (None, None, 95.0)
    assert long["gamma_wall"] == 100.0
    assert naive["oi_wall"] == long["oi_wall"] == 100.0


def test_calls_below_and_puts_above_spot_are_no_call_and_put_walls(book):
    row = found(book([("C", 95.0, 900.0), ("C", 105.0, 1.0), ("P", 95.0, 1.0), ("P", 105.0, 900.0)]))
    assert (row["call_wall"], row["put_wall"]) == (105.0, 95.0)
    none = found(book([("C", 95.0, 900.0), ("P", 105.0, 900.0)]))
    assert (none["call_wall"], none["put_wall"]) == (None, None)
    assert none["gamma_wall"] is not None


@pytest.mark.parametrize(
    ("strikes", "wall"),
    [((94.0, 105.0), 105.0), ((95.0, 106.0), 95.0), ((95.0, 105.0), 95.0), ((90.0, 105.0, 95.0), 95.0)],
)
def test_ties_go_to_the_nearest_strike_then_to_the_lower(book, strikes, wall):
    frame = with_gamma(book([("C", k, 10.0) for k in strikes]), dict.fromkeys(strikes, 0.02))
    row = found(frame)
    assert (row["gamma_wall"], row["oi_wall"]) == (wall, wall)


@pytest.mark.parametrize(("spot", "strikes"), [(10.05, (10.0, 10.1)), (0.3, (0.2, 0.4)), (100.1, (100.0, 100.2))])
def test_strikes_as_far_from_spot_tie_whatever_their_last_bit(book, spot, strikes):
    """10.05 - 10.0 and 10.1 - 10.05 are different numbers to a computer."""
    low, high = strikes
    assert spot - low != high - spot
    row = found(with_gamma(book([("C", k, 10.0) for k in strikes], spot=spot), dict.fromkeys(strikes, 0.02)))
    assert (row["gamma_wall"], row["oi_wall"]) == (low, low)


def test_shares_are_of_512_draws(mini_book):
    row = found(mini_book, index_symbols=["AAA"])
    shares = [row[f"{name}_share"] for name in WALLS]
    assert all(0 < share < 1 and (share * 512).is_integer() for share in shares)


def test_wall_is_of_the_sum_over_expiries(book):
    near, far = book([("C", 101.0, 60.0), ("C", 105.0, 100.0)], days=2), book([("C", 101.0, 60.0)], days=16)
    frame = with_gamma(pl.concat([near, far]), {101.0: 0.02, 105.0: 0.02})
    assert found(frame)["call_wall"] == 101.0
    assert found(frame, expiry_set="next_weekly")["call_wall"] == 105.0


def test_open_interest_wall_needs_no_volatility(book):
    frame = book([("C", 100.0, 10.0), ("C", 150.0, 99.0)])
    hidden = frame.with_columns(iv=pl.when(pl.col("strike") < 150).then("iv"))
    row = found(hidden)
    assert (row["oi_wall"], row["gamma_wall"]) == (150.0, 100.0)


def test_no_open_interest_no_wall(book):
    row = found(book([("C", 100.0, 0.0), ("P", 100.0, None)]))
    assert all(row[name] is None and row[f"{name}_share"] is None for name in WALLS)
    assert row["oi_wall"] is None


def test_net_gamma_of_nothing_is_no_wall(book):
    assert found(book([("C", 100.0, 5.0), ("P", 100.0, 5.0)]))["gamma_wall"] is None


def test_a_sure_prior_leaves_no_doubt(mini_book):
    row = found(mini_book, index_symbols=["AAA"], prior=Prior(mean=1.0, sd_index=0.0))
    assert [row[f"{name}_share"] for name in WALLS] == [1.0, 1.0, 1.0]


def test_shares_agree_with_draws_of_every_contract(book):
    contracts = [
        ("P", 95.0, 900.0),
        ("P", 100.0, 700.0),
        ("C", 100.0, 650.0),
        ("C", 104.0, 900.0),
        ("C", 108.0, 1000.0),
    ]
    frame = pl.concat([book(contracts, days=days) for days in (16, 30)])
    held = dealer_book(frame, ["naive"], ["AAA"], None, None).contracts
    row = found(frame, index_symbols=["AAA"])
    rng, n = np.random.default_rng(3), 40_000
    gex = (held["gamma_per_usd"] * held["size"]).to_numpy()
    group, mean, sd = (held[name].to_numpy() for name in ("group", "prior_mean", "prior_sd"))
    common, own = rng.normal(size=(n, 48))[:, group], rng.normal(size=(n, held.height))
    drawn = gex * (mean + sd * (np.sqrt(0.8) * common + np.sqrt(0.2) * own))
    strike, is_call = held["strike"].to_numpy(), (held["right"] == "C").to_numpy()
    strikes = np.unique(strike)

    def by_strike(mask):
        return np.stack([drawn[:, mask & (strike == k)].sum(axis=1) for k in strikes], axis=1)

    call, put = by_strike(is_call), by_strike(~is_call)
    scores = {
        "call_wall": np.where(strikes >= 100, call, -np.inf),
        "put_wall": np.where(strikes <= 100, -put, -np.inf),
        "gamma_wall": np.abs(call + put),
    }
    for name, score in scores.items():
        best = np.where(score.max(axis=1) > 0, strikes[score.argmax(axis=1)], np.nan)
        share = (best == row[name]).mean()
        assert row[f"{name}_share"] == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 512))


def test_one_night_equals_the_backfill_on_any_number_of_threads(book):
    rng = np.random.default_rng(1)
    chains = [
        book([(r, k, float(rng.integers(0, 900))) for r in "CP" for k in np.linspace(90, 110, 9 + 2 * i)], symbol=name)
        for i, name in enumerate(("AAA", "BBB", "CCC"))
    ]
    together = [
        walls(dealer_book(pl.concat(chains), ["naive"], ["CCC"], None, None), threads=threads) for threads in (1, 3)
    ]
    assert together[0].equals(together[1])
    alone = walls(dealer_book(chains[0], ["naive"], [], None, None))
    assert together[0].filter(pl.col("chain") == 0).equals(alone)
