"""Bands of net exposures under the prior of dealer sides: the specification's numbers, identities, dense algebra."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options.positioning.amplification import amplification_band
from gnosis.options.positioning.bands import (
    Prior,
    band,
    net_moments,
    prior_lines,
    prior_sides,
    sides_moments,
    sign_label,
    sign_reason,
)
from gnosis.options.positioning.exposure import contract_exposure
from gnosis.options.positioning.flow_update import updated_by_flow

G = np.array([40.0, 20.0, 30.0])
GROUP = np.array([0, 0, 1])
MEAN = np.array([0.5, 0.5, -0.5])
SD = np.full(3, 0.4)
ONE_CELL = np.zeros(3, dtype=int)
NOT_SEEN = np.nan


def example(correlation: float = 0.8):
    return net_moments(G, GROUP, MEAN, SD, correlation, ONE_CELL, 1)


def dense(group, mean, sd, correlation):
    """Mean and covariance of all sides, as written in the specification."""
    same = group[:, None] == group[None, :]
    shape = correlation * same + (1 - correlation) * np.eye(len(group))
    return mean, sd[:, None] * sd[None, :] * shape


def test_three_contracts():
    found = example()
    assert [found.mean.item(), found.variance.item()] == pytest.approx([15, 668.8], rel=1e-12)
    net = band(*found)
    assert np.sqrt(found.variance).item() == pytest.approx(25.8611678, abs=5e-8)
    assert [net.p10.item(), net.p50.item(), net.p90.item()] == pytest.approx([-18.1424201, 15, 48.1424201], abs=5e-8)
    assert net.positive_probability.item() == pytest.approx(0.7190495057, abs=5e-11)
    assert net.bound.item() == 90


def test_independent_errors_are_narrower():
    assert np.sqrt(example(0.0).variance).item() == pytest.approx(21.5406592, abs=5e-8)


def test_an_observed_contract():
    after = updated_by_flow(prior_sides(MEAN, SD, 0.8), GROUP, ONE_CELL, 1, [0.8, NOT_SEEN, NOT_SEEN], 0.01)
    assert after.mean.tolist() == pytest.approx([0.7823529, 0.7258824, -0.5], abs=5e-8)
    found = sides_moments(G, GROUP, after, ONE_CELL, 1)
    net = band(*found)
    assert found.mean.item() == pytest.approx(30.8117647, abs=5e-8)
    assert np.sqrt(found.variance).item() == pytest.approx(14.0198179, abs=5e-8)
    assert [net.p10.item(), net.p90.item()] == pytest.approx([12.8446451, 48.7788843], abs=5e-8)
    assert net.positive_probability.item() == pytest.approx(0.9860157991, abs=5e-11)


@pytest.mark.parametrize(
    ("n", "independent", "correlated"), [(10, 12.649, 36.2215), (100, 4.0, 35.8218), (1000, 1.265, 35.7816)]
)
def test_errors_in_common_do_not_average_away(n, independent, correlated):
    equal = (np.full(n, 100 / n), np.zeros(n, dtype=int), np.zeros(n), np.full(n, 0.4))
    cells = np.zeros(n, dtype=int)
    assert np.sqrt(net_moments(*equal, 0.0, cells, 1).variance).item() == pytest.approx(independent, abs=5e-4)
    assert np.sqrt(net_moments(*equal, 0.8, cells, 1).variance).item() == pytest.approx(correlated, abs=5e-5)
    assert 40 * np.sqrt(0.8) == pytest.approx(35.7771, abs=5e-5)


def test_the_closed_form_against_draws():
    """Mean and quantiles of 200,000 draws lie within four standard errors, and so does P(net > 0)."""
    n = 200_000
    draws = np.random.default_rng(20190515)
    mean, covariance = dense(GROUP, MEAN, SD, 0.8)
    net = (mean + draws.standard_normal((n, 3)) @ np.linalg.cholesky(covariance).T) @ G
    moments = example()
    found, sd = band(*moments), np.sqrt(moments.variance).item()
    assert abs(net.mean() - moments.mean.item()) < 4 * sd / np.sqrt(n)
    for share, value in ((0.1, found.p10), (0.5, found.p50), (0.9, found.p90)):
        z = (value.item() - moments.mean.item()) / sd
        density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) / sd
        assert abs(np.quantile(net, share) - value.item()) < 4 * np.sqrt(share * (1 - share) / n) / density
    p = found.positive_probability.item()
    assert abs((net > 0).mean() - p) < 4 * np.sqrt(p * (1 - p) / n)


def test_the_interval_holds_the_truth_four_times_in_five():
    draws = np.random.default_rng(7)
    mean, covariance = dense(GROUP, MEAN, SD, 0.8)
    net = (mean + draws.standard_normal((2000, 3)) @ np.linalg.cholesky(covariance).T) @ G
    found = band(*example())
    assert 0.77 < ((net > found.p10) & (net < found.p90)).mean() < 0.83


@st.composite
def lines(draw):
    """Weights of any sign, groups, means and standard deviations of one cell."""
    n = draw(st.integers(1, 12))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return (
        numbers.normal(0, 50, n),
        numbers.integers(0, 4, n),
        numbers.uniform(-1, 1, n),
        numbers.uniform(0.05, 0.6, n),
        draw(st.sampled_from([0.0, 0.3, 0.8, 1.0])),
    )


@settings(max_examples=25, deadline=None)
@given(book=lines())
def test_moments_equal_the_dense_algebra(book):
    weights, group, mean, sd, correlation = book
    found = net_moments(weights, group, mean, sd, correlation, np.zeros(len(weights), dtype=int), 1)
    centre, covariance = dense(group, mean, sd, correlation)
    scale = weights @ weights
    assert found.mean.item() == pytest.approx(weights @ centre, rel=1e-12, abs=1e-12 * scale)
    assert found.variance.item() == pytest.approx(weights @ covariance @ weights, rel=1e-12, abs=1e-12 * scale)
    assert found.bound.item() == pytest.approx(np.abs(weights).sum(), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(book=lines(), seed=st.integers(0, 2**32 - 1))
def test_the_update_equals_the_dense_algebra(book, seed):
    weights, group, mean, sd, correlation = book
    n, numbers = len(weights), np.random.default_rng(seed)
    cells = np.zeros(n, dtype=int)
    y = np.where(numbers.random(n) < 0.6, numbers.uniform(-1, 1, n), np.nan)
    noise = numbers.uniform(1e-3, 0.5, n)
    after = updated_by_flow(prior_sides(mean, sd, correlation), group, cells, 1, y, noise)
    found = sides_moments(weights, group, after, cells, 1)
    centre, covariance = dense(group, mean, sd, correlation)
    h = np.eye(n)[~np.isnan(y)]
    gain = covariance @ h.T @ np.linalg.inv(h @ covariance @ h.T + np.diag(noise[~np.isnan(y)]))
    posterior = centre + gain @ (y[~np.isnan(y)] - h @ centre)
    left = covariance - gain @ h @ covariance
    assert after.mean == pytest.approx(posterior, rel=1e-9, abs=1e-12)
    assert found.variance.item() == pytest.approx(weights @ left @ weights, rel=1e-8, abs=1e-10 * (weights @ weights))


def test_two_updates_equal_one():
    before = prior_sides(MEAN, SD, 0.8)
    first, second = np.array([0.8, np.nan, np.nan]), np.array([np.nan, -0.2, 0.1])
    both = updated_by_flow(before, GROUP, ONE_CELL, 1, [0.8, -0.2, 0.1], 0.02)
    after = updated_by_flow(before, GROUP, ONE_CELL, 1, first, 0.02)
    after = updated_by_flow(after, GROUP, ONE_CELL, 1, second, 0.02)
    for one, other in zip(both, after, strict=True):
        assert one == pytest.approx(other, rel=1e-12)


def test_without_a_mean_the_sign_is_a_coin():
    net = band(*net_moments(G, GROUP, np.zeros(3), SD, 0.8, ONE_CELL, 1))
    assert net.positive_probability.item() == 0.5
    assert net.p50.item() == 0
    assert net.p10.item() == -net.p90.item()


def test_a_contract_without_weight_changes_nothing():
    more = net_moments([*G, 0.0], [*GROUP, 3], [*MEAN, 0.9], [*SD, 0.7], 0.8, [0, 0, 0, 0], 1)
    assert all(np.array_equal(one, other) for one, other in zip(more, example(), strict=True))


def test_boundless_noise_leaves_the_prior():
    before = prior_sides(MEAN, SD, 0.8)
    after = updated_by_flow(before, GROUP, ONE_CELL, 1, [0.8, -0.3, 0.9], 1e18)
    for one, other in zip(after, before, strict=True):
        assert one == pytest.approx(other, rel=1e-12)
    same = updated_by_flow(before, GROUP, ONE_CELL, 1, np.full(3, np.nan), 0.01)
    assert all(np.array_equal(one, other) for one, other in zip(same, before, strict=True))


def test_without_noise_the_band_collapses_to_what_was_seen():
    y = np.array([0.8, -0.3, 0.9])
    for noise in (0.0, 1e-15):
        after = updated_by_flow(prior_sides(MEAN, SD, 0.8), GROUP, ONE_CELL, 1, y, noise)
        net = band(*sides_moments(G, GROUP, after, ONE_CELL, 1))
        assert [net.p10.item(), net.p50.item(), net.p90.item()] == pytest.approx([G @ y] * 3, abs=1e-5)


def test_bands_are_clipped_to_the_bound():
    net = band([0.0, 80.0, -80.0], [1e4, 400.0, 400.0], [50.0, 90.0, 90.0])
    assert net.p10.tolist() == pytest.approx([-50, 80 - 20 * 1.2815515655, -90])
    assert net.p90.tolist() == pytest.approx([50, 90, -80 + 20 * 1.2815515655])
    assert net.bound.tolist() == [50, 90, 90]


def test_without_variance_the_sign_is_certain_and_nil_is_not_positive():
    assert band([2.0, -2.0, 0.0], 0.0, 3.0).positive_probability.tolist() == [1, 0, 0]


@settings(max_examples=15, deadline=None)
@given(books=st.lists(lines(), min_size=1, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_cells_do_not_touch_each_other(books, seed):
    """A cell has the same bits alone and among the rows and groups of others, its own rows in their order."""
    numbers = np.random.default_rng(seed)
    columns = [np.concatenate([book[i] for book in books]) for i in range(4)]
    cells = np.repeat(np.arange(len(books)), [len(book[0]) for book in books])
    rows = np.argsort(np.concatenate([np.sort(numbers.random(len(book[0]))) for book in books]))
    other = ([1.0], [47], [0.0], [0.5])
    columns = [np.concatenate([column[rows], last]) for column, last in zip(columns, other, strict=True)]
    n = len(books)
    together = net_moments(*columns, 0.8, np.append(cells[rows], n + 1), n + 2)
    for i, (weights, group, mean, sd, _) in enumerate(books):
        alone = net_moments(weights, group, mean, sd, 0.8, np.zeros(len(weights), dtype=int), 1)
        assert [x[i] for x in together] == [x[0] for x in alone]
    assert [x[n] for x in together] == [0, 0, 0]


def test_amplification_has_the_band_of_gamma():
    net = band(*example())
    found = amplification_band([60.0, 18.0, 10.0, np.nan], net)
    assert found.p10.tolist()[:3] == pytest.approx([d / (d + 48.1424201) for d in (60, 18, 10)], rel=1e-8)
    assert found.p50.tolist()[:3] == pytest.approx([d / (d + 15) for d in (60, 18, 10)])
    assert found.p90.tolist()[:3] == [pytest.approx(60 / (60 - 18.1424201), rel=1e-8), np.inf, np.inf]
    assert all(np.isnan(x[3]) for x in found)
    storm = amplification_band(5.0, band(-15.0, 4.0, 90.0))
    assert [x.item() for x in storm] == [np.inf, np.inf, np.inf]
    with pytest.raises(ValueError, match=r"expected positive numbers, found 0\.0"):
        amplification_band([1.0, 0.0], net)


def test_prior_by_class_right_moneyness_and_expiry(book):
    held = [("C", 100.0, 1.0), ("P", 100.0, 1.0), ("C", 130.0, 1.0), ("C", 60.0, 1.0)]
    chains = [book(held, symbol=symbol, days=days) for symbol in ("SPX", "XYZ") for days in (1, 5, 30, 90)]
    found = prior_lines(pl.concat(chains), ["SPX"])
    assert found.drop("group", "prior_mean", "prior_sd").equals(pl.concat(chains))
    # Two classes, two expiry-independent rights, four buckets: each contract of a chain has a group of its own.
    assert found["group"].n_unique() == found.height == 32
    is_index, is_call = pl.col("symbol") == "SPX", pl.col("right") == "C"
    expected = found.select(
        m=pl.when(is_index).then(pl.when(is_call).then(0.5).otherwise(-0.5)).otherwise(0.0),
        s=pl.when(is_index).then(0.4).otherwise(0.5),
    )
    assert found["prior_mean"].equals(expected["m"])
    assert found["prior_sd"].equals(expected["s"])
    calmer = prior_lines(pl.concat(chains), ["SPX"], Prior(mean=0.1, sd_index=0.2, sd_single=0.3))
    assert calmer["prior_mean"].unique().sort().to_list() == [-0.1, 0.0, 0.1]
    assert calmer["prior_sd"].unique().sort().to_list() == [0.2, 0.3]


def test_moneyness_buckets_include_their_edges_in_the_middle(mini_book):
    deltas = pl.Series("delta", [0.25, 0.75, 0.2499, 0.7501])
    found = prior_lines(mini_book.with_columns(deltas, right=mini_book["right"].new_from_index(0, 4)), [])
    low, middle, high = found["group"][2], found["group"][0], found["group"][3]
    assert found["group"].to_list() == [middle, middle, low, high]
    assert len({low, middle, high}) == 3
    blind = prior_lines(mini_book.with_columns(delta=pl.lit(None, dtype=pl.Float64)), [])
    assert blind["group"].null_count() == 4


def test_the_band_of_a_book_and_its_conventions(mini_book):
    """The weights are the exposures at x = 1; naive and customer_long lie within the hard bound."""
    lines = contract_exposure(mini_book, ["naive", "customer_long"])
    naive = lines.filter(pl.col("sign_convention") == "naive")
    sides = prior_lines(mini_book, ["AAA"]).select("strike", "right", "group", "prior_mean", "prior_sd")
    joined = naive.join(sides, on=["strike", "right"], maintain_order="left")
    weights = joined["gex_usd_per_pct"] * joined["x"]
    columns = (joined[name].to_numpy() for name in ("group", "prior_mean", "prior_sd"))
    net = band(*net_moments(weights.to_numpy(), *columns, 0.8, np.zeros(4, dtype=int), 1))
    assert net.p50.item() == pytest.approx(0.5 * 429_497.09498, rel=1e-9)
    assert net.bound.item() == pytest.approx(1_710_528.85844, rel=1e-9)
    frame = pl.DataFrame({"gex_p10_usd_per_pct": net.p10, "gex_p90_usd_per_pct": net.p90, "symbol": "AAA"})
    labelled = frame.with_columns(sign_label(), sign_convention=pl.lit("naive"))
    assert labelled["gex_sign"].to_list() == ["undetermined"]
    assert labelled.select(sign_reason([])).item() == "SIGN_UNDETERMINED"
    assert labelled.select(sign_reason(["AAA"])).item() is None


def test_sign_at_the_ends_of_the_band():
    bands = {"gex_p10_usd_per_pct": [0.0, -1.0, 0.0, -1.0], "gex_p90_usd_per_pct": [1.0, 0.0, 0.0, 1.0]}
    found = pl.DataFrame(bands).select(sign_label()).to_series().to_list()
    assert found == ["positive", "negative", "undetermined", "undetermined"]


@pytest.mark.parametrize(
    "setting", [{"mean": 1.1}, {"sd_index": -0.1}, {"sd_single": float("nan")}, {"correlation": 2}]
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=f"Prior: expected {next(iter(setting))} in"):
        Prior(**setting)


def test_bad_arrays_are_refused():
    with pytest.raises(ValueError, match="expected finite numbers"):
        net_moments([np.nan, 1.0, 1.0], GROUP, MEAN, SD, 0.8, ONE_CELL, 1)
    with pytest.raises(ValueError, match="group: expected integers"):
        net_moments(G, [0, -1, 0], MEAN, SD, 0.8, ONE_CELL, 1)
    with pytest.raises(ValueError, match=r"cells: expected integers in \[0, 1\)"):
        net_moments(G, GROUP, MEAN, SD, 0.8, [0, 0, 1], 1)
    with pytest.raises(ValueError, match="cells: expected shape"):
        net_moments(G, GROUP, MEAN, SD, 0.8, [0, 0], 1)
    with pytest.raises(ValueError, match=r"correlation: expected a number in \[0, 1\], found 1\.1"):
        net_moments(G, GROUP, MEAN, SD, 1.1, ONE_CELL, 1)
    with pytest.raises(ValueError, match="prior_sd: expected numbers of at least 0"):
        net_moments(G, GROUP, MEAN, -SD, 0.8, ONE_CELL, 1)
    with pytest.raises(ValueError, match="found a negative one"):
        band(0.0, -1.0, 1.0)
    before = prior_sides(MEAN, SD, 1.0)
    with pytest.raises(ValueError, match=r"observed: expected fractions in \[-1, 1\], found 1\.5"):
        updated_by_flow(before, GROUP, ONE_CELL, 1, [1.5, 0.0, 0.0], 0.01)
    with pytest.raises(ValueError, match="noise_variance: expected R > 0"):
        updated_by_flow(before, GROUP, ONE_CELL, 1, [0.5, 0.0, 0.0], 0.0)
    with pytest.raises(ValueError, match="index_symbols: expected a collection"):
        prior_lines(pl.DataFrame(), "SPX")
