import datetime as dt
import hashlib
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from gnosis.engines.liquidity.spread_estimator import (
    KAPPA,
    abdi_ranaldo,
    abdi_ranaldo_square,
    corwin_schultz,
    edge_spread,
    roll_covariance,
    roll_spread,
)
from gnosis.sessions import sessions_between
from gnosis.simulate.flow import bounced_trades
from gnosis.tables.engines.liquidity import SpreadEstimator

OPEN = np.array([100.0, 100.6, 100.2, 101.1, 102.6, 103.1, 102.7, 102.2])
HIGH = np.array([100.9, 101.0, 101.3, 101.7, 103.4, 103.5, 103.0, 102.9])
LOW = np.array([99.6, 99.9, 100.0, 100.6, 102.3, 102.4, 101.9, 101.8])
CLOSE = np.array([100.5, 100.1, 101.2, 100.8, 103.2, 102.6, 102.1, 102.8])
REFERENCE_SHA256 = "4acf9a15e3e6c0c177a8db1917d2404acdbb3fcf9365b16c3016c0dfd5dc4def"


def readable_edge(open, high, low, close):
    """EDGE bar by bar, as its definition reads."""
    rows = [tuple(np.log(bar)) for bar in zip(open, high, low, close, strict=True)]
    r = {1: [], 2: [], 3: [], 4: [], 5: []}
    tau, at_open, at_close = [], [], []
    for (_, h1, l1, c1), (o, h, low_, _) in pairwise(rows):
        eta1, eta = (h1 + l1) / 2, (h + low_) / 2
        for j, value in enumerate((eta - o, o - eta1, eta - c1, c1 - eta1, o - c1), 1):
            r[j].append(value)
        needed = np.isnan([h, low_, c1]).any()
        tau.append(np.nan if needed else float(not h == low_ == c1))
        at_open.append([np.nan if np.isnan(o + side) else float(o != side) for side in (h, low_)])
        at_close.append([np.nan if np.isnan(c1 + side) else float(c1 != side) for side in (h1, l1)])
    tau = np.array(tau)
    r = {j: np.array(values) for j, values in r.items()}
    p_o, p_c = (sum(np.nanmean(tau * np.array(at)[:, k]) for k in (0, 1)) for at in (at_open, at_close))
    if np.nansum(tau) < 2 or p_o * p_c == 0:
        return np.nan
    d = {j: r[j] - tau * np.nanmean(r[j]) / np.nanmean(tau) for j in (1, 3, 5)}
    x1 = -4 * d[1] * r[2] / p_o - 4 * d[3] * r[4] / p_c
    x2 = -4 * d[1] * r[5] / p_o - 4 * d[5] * r[4] / p_c
    v1, v2 = np.nanvar(x1), np.nanvar(x2)
    e1, e2 = np.nanmean(x1), np.nanmean(x2)
    square = (v2 * e1 + v1 * e2) / (v1 + v2) if v1 + v2 > 0 else (e1 + e2) / 2
    return np.sign(square) * np.sqrt(abs(square))


def test_reference_bars():
    assert edge_spread(OPEN, HIGH, LOW, CLOSE) == pytest.approx(0.00378600815952, rel=1e-11)
    assert abdi_ranaldo_square(HIGH, LOW, CLOSE) == pytest.approx(5.94738786975e-5, rel=1e-11)
    assert abdi_ranaldo(HIGH, LOW, CLOSE) == pytest.approx(0.00771193093184, rel=1e-11)
    assert roll_covariance(CLOSE) == pytest.approx(-7.84446069773e-5, rel=1e-11)
    assert roll_spread(CLOSE) == pytest.approx(0.0177137920251, rel=1e-11)
    assert corwin_schultz(HIGH, LOW, CLOSE) == pytest.approx(0.00521746397267, rel=1e-11)
    assert corwin_schultz(HIGH, LOW, CLOSE, overnight_adjusted=False) == pytest.approx(0.000123326002247, rel=1e-11)
    assert abs(KAPPA - 0.17157287525) < 5e-12


@pytest.fixture
def authors_bars(shared_data):
    found = sorted(shared_data.rglob("ohlc.csv"))
    if not found or hashlib.sha256(found[0].read_bytes()).hexdigest() != REFERENCE_SHA256:
        pytest.skip("reference file of the EDGE authors (ohlc.csv) not found beside the repository")
    return found[0]


def columns(path):
    frame = pl.read_csv(path)
    return tuple(frame[name].cast(pl.Float64).to_numpy() for name in ("Open", "High", "Low", "Close"))


@pytest.mark.real_data
def test_edge_of_the_authors_file(authors_bars):
    bars = columns(authors_bars)
    assert edge_spread(*bars) == pytest.approx(0.0101849034905478, rel=1e-10)
    assert edge_spread(*(side[:10] for side in bars)) == pytest.approx(-0.016889917516422, rel=1e-10)


@pytest.mark.real_data
def test_edge_of_the_authors_file_with_gaps(authors_bars):
    bars = columns(authors_bars.with_name("ohlc-miss.csv"))
    assert edge_spread(*bars) == pytest.approx(0.01013284969780197, rel=1e-10)


@pytest.mark.real_data
def test_older_estimators_on_the_authors_file(authors_bars):
    _, high, low, close = columns(authors_bars)
    assert roll_spread(close) == pytest.approx(0.00910749386, rel=1e-8)
    assert abdi_ranaldo(high, low, close) == pytest.approx(0.00721333496, rel=1e-8)
    assert corwin_schultz(high, low, close, overnight_adjusted=False) == pytest.approx(-0.0238323197, rel=1e-8)
    assert corwin_schultz(high, low, close) == pytest.approx(-0.0031512456, rel=1e-8)


@pytest.mark.parametrize("gaps", [0.0, 0.1])
def test_edge_is_its_readable_form(gaps):
    rng = np.random.default_rng(4)
    for _ in range(20):
        path = np.round(100 * np.exp(0.004 * np.cumsum(rng.standard_normal((21, 12)), axis=None)).reshape(21, 12), 1)
        bars = [path[:, 0].copy(), path.max(axis=1), path.min(axis=1), path[:, -1].copy()]
        for side in bars:
            side[rng.random(21) < gaps] = np.nan
        assert edge_spread(*bars) == pytest.approx(readable_edge(*bars), rel=1e-9, nan_ok=True)


def test_flat_prices_have_no_estimate():
    flat = [np.full(21, 50.0)] * 4
    assert np.isnan(edge_spread(*flat)) and np.isnan(roll_spread(flat[3]))


def test_too_few_bars_have_no_estimate():
    assert np.isnan(edge_spread(OPEN[:2], HIGH[:2], LOW[:2], CLOSE[:2]))
    assert np.isnan(roll_spread(CLOSE[:3])) and np.isnan(abdi_ranaldo(HIGH[:1], LOW[:1], CLOSE[:1]))


def test_trending_closes_have_no_roll_spread():
    assert np.isnan(roll_spread(np.exp(0.01 * np.arange(10) ** 2)))


def test_equal_ranges_give_the_closed_form_of_corwin_and_schultz():
    high, low = np.full(2, 102.0), np.full(2, 100.0)
    expected = 2 * np.tanh(np.log(1.02) / 2)
    assert corwin_schultz(high, low, np.full(2, 101.0)) == pytest.approx(expected, rel=1e-12)


def test_constant_middle_gives_the_spread_of_abdi_and_ranaldo():
    side = np.where(np.arange(30) % 3 == 0, 1, -1)
    close = np.exp(np.log(100) + side * 0.01 / 2)
    assert abdi_ranaldo(np.full(30, 102.0), np.full(30, 1e4 / 102), close) == pytest.approx(0.01, rel=1e-9)


def test_price_level_does_not_matter():
    for estimator, bars in (
        (edge_spread, (OPEN, HIGH, LOW, CLOSE)), (roll_spread, (CLOSE,)), (abdi_ranaldo, (HIGH, LOW, CLOSE)),
        (corwin_schultz, (HIGH, LOW, CLOSE)),
    ):  # fmt: skip
        assert estimator(*(7.3 * side for side in bars)) == pytest.approx(estimator(*bars).item(), rel=1e-9)


def test_many_rows_are_many_single_ones():
    rng = np.random.default_rng(8)
    bars = [side * np.exp(0.001 * rng.standard_normal((5, 1))) for side in (OPEN, HIGH, LOW, CLOSE)]
    for estimator, sides in ((edge_spread, bars), (corwin_schultz, bars[1:]), (roll_spread, bars[3:])):
        together = estimator(*sides)
        assert together.tolist() == [estimator(*(side[i] for side in sides)).item() for i in range(5)]


def test_planted_spread_is_recovered():
    days = sessions_between(dt.date(2012, 1, 3), dt.date(2012, 12, 31))[:250]
    edge, abdi, roll = [], [], []
    for seed in range(20):
        trades, truth = bounced_trades(days, seed)
        price = trades["price"].to_numpy()
        per_day = price.reshape(250, -1)
        bars = per_day[:, 0], per_day.max(axis=1), per_day.min(axis=1), per_day[:, -1]
        edge.append(edge_spread(*bars).item())
        abdi.append(abdi_ranaldo(*bars[1:]).item())
        roll.append(roll_spread(price).item())
    assert edge == pytest.approx([truth.spread_share] * 20, rel=0.15)
    assert np.mean(abdi) == pytest.approx(truth.spread_share, rel=0.15)
    assert roll == pytest.approx([truth.spread_share] * 20, rel=0.05)


def test_roll_recovers_a_bounce_within_three_standard_errors():
    rng = np.random.default_rng(3)
    spread = 0.002
    logs = np.cumsum(1e-4 * rng.standard_normal((200, 2000)), axis=1) + spread / 2 * rng.choice([-1, 1], (200, 2000))
    found = roll_spread(np.exp(logs))
    assert abs(found.mean() - spread) < 3 * found.std(ddof=1) / np.sqrt(200)


def test_quoted_spread_is_the_median_of_the_last_thirty_minutes(point, make_daily, make_books, run_books):
    n = 60
    half = np.where(np.arange(n) < 29, 0.5, 0.01 * (1 + np.arange(n) % 3))[:, None]
    size = np.full((n, 1), 100.0)
    result = run_books(point, make_daily(), make_books(100 - half, size, 100 + half, size))["spread_estimator"]
    assert result.values["quoted_spread_bps"].item() == pytest.approx(np.median(2e2 * half[29:]), rel=1e-9)
    assert result.values["spread_bps"].item() == result.values["quoted_spread_bps"].item()
    assert result.values["spread_source"].tolist() == [0.0] and not result.is_proxy.any()
    assert result.confidence.item() == pytest.approx(1.0)


def test_quotes_before_the_last_thirty_minutes_are_not_the_spread(point, make_daily, make_books, run_books):
    close = int(point.as_of[0])
    books = make_books([[99.9]], [[1.0]], [[100.1]], [[1.0]], ts=[close - 31 * 60_000_000])
    result = run_books(point, make_daily(), books)["spread_estimator"]
    assert np.isnan(result.values["quoted_spread_bps"]).all() and result.is_proxy.all()
    assert result.reasons["PARTIAL_BOOK"].all() and not result.reasons["NO_BOOK"].any()


def test_bars_stand_in_for_quotes(point, make_daily, run_books):
    for seed in range(6):
        bars = make_daily(seed=seed)
        result = run_books(point, bars)["spread_estimator"]
        window = [bars[name].to_numpy()[-21:] for name in ("open", "high", "low", "close")]
        expected = 1e4 * edge_spread(*window).item()
        assert result.values["edge_spread_bps"].item() == pytest.approx(expected, rel=1e-9)
        assert result.values["spread_bps"].item() == pytest.approx(max(expected, 0.0), rel=1e-9)
        assert result.values["spread_source"].tolist() == [1.0] and result.confidence.item() == 0.3
        assert result.is_proxy.all() and result.reasons["SPREAD_PROXY"].all() and result.reasons["NO_BOOK"].all()


def test_two_bars_and_no_quotes_give_no_spread(point, make_daily, run_books):
    result = run_books(point, make_daily(n=2))["spread_estimator"]
    assert np.isnan(result.values["spread_bps"]).all() and np.isnan(result.values["spread_source"]).all()


def test_values_are_the_columns_of_the_spread_part(point, make_daily, run_books):
    own = set(SpreadEstimator.columns()) - {
        f"spread_estimator_{part}" for part in ("confidence", "is_proxy", "reasons")
    }
    assert set(run_books(point, make_daily())["spread_estimator"].values) == own
