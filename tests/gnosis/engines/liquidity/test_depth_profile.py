import numpy as np
import pytest

from gnosis.engines import physics
from gnosis.engines.liquidity.depth_profile import cumulative_depth, depth_elasticity
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.simulate.book import square_root_book
from gnosis.tables import TABLES
from gnosis.tables.engines.liquidity import DepthProfile

MINUTE = 60.0


def test_planted_law_is_recovered(point, make_daily, run_books):
    day = point.frame["session"].item()
    schema = TABLES["raw.order_books"].polars_schema
    for exponent in (2.0, 1.0):
        book, truth = square_root_book([day], tick_usd=0.025, exponent=exponent, symbol="AAA")
        values = run_books(point, make_daily(), book.select(list(schema)).cast(schema))["depth_profile"].values
        assert values["depth_elasticity"].item() == pytest.approx(exponent, rel=1e-9)
        for side in ("bid", "ask"):
            for bps in (5, 10, 25, 50):
                displayed = values[f"depth_{side}_{bps}bps_usd"].item()
                assert displayed == pytest.approx(truth.depth_usd(bps / 1e4), rel=0.01)
    x = 0.0025
    law = physics.square_root_depth(x, 1e8, 0.02)
    wider, at, narrower = (cumulative_depth(*_ask_side(day), 100.0, d).item() for d in (x + 0.00025, x, x - 0.00025))
    assert physics.book_depth(at, x) == pytest.approx(law / 2, rel=0.01)
    assert (wider - narrower) / 0.0005 == pytest.approx(law, rel=0.01)


def _ask_side(day):
    book = square_root_book([day], tick_usd=0.025)[0]
    asks = book.filter(book["side"] == "A").sort("level")
    return asks["price"].to_numpy(), asks["size"].to_numpy()


def test_more_distance_never_shows_less():
    rng = np.random.default_rng(1)
    price, size = 100 + np.cumsum(rng.random(20)) / 50, rng.random(20) * 1000
    found = cumulative_depth(price, size, 100.0, np.linspace(0, 0.01, 200))
    assert (np.diff(found) >= 0).all() and found[-1] == pytest.approx((price * size).sum())


def test_slope_needs_five_levels():
    ticks = 0.05 * np.arange(1, 3)
    size = np.full(2, 100.0)
    assert np.isnan(depth_elasticity(100 - ticks, size, 100 + ticks, size))
    assert np.isfinite(depth_elasticity(100 - ticks, size, 100 + ticks, size, least_levels=4))


def test_values_are_medians_of_the_session_and_agree_with_the_readable_form(
    point, make_daily, make_random_books, run_books
):
    books = make_random_books(n=31)
    values = run_books(point, make_daily(), books)["depth_profile"].values
    wide = {side: books.filter(books["side"] == side)["price"].to_numpy().reshape(31, 10) for side in ("B", "A")}
    sizes = {side: books.filter(books["side"] == side)["size"].to_numpy().reshape(31, 10) for side in ("B", "A")}
    mid = (wide["B"][:, 0] + wide["A"][:, 0]) / 2
    for name, side in (("bid", "B"), ("ask", "A")):
        expected = np.median(cumulative_depth(wide[side], sizes[side], mid, 0.0010))
        assert values[f"depth_{name}_10bps_usd"].item() == pytest.approx(expected, rel=1e-12)
    distance = {side: 1e4 * np.abs(wide[side] / mid[:, None] - 1) for side in wide}
    weighted = {side: (wide[side] * sizes[side] * np.exp(-distance[side] / 50)).sum(axis=1) for side in wide}
    imbalance = (weighted["B"] - weighted["A"]) / (weighted["B"] + weighted["A"])
    assert values["depth_imbalance"].item() == pytest.approx(np.median(imbalance), rel=1e-9)
    slopes = []
    for i in range(31):
        logs = [(np.log(distance[s][i] / 1e4), np.log(np.cumsum(wide[s][i] * sizes[s][i]))) for s in ("B", "A")]
        x, y = (np.concatenate(part) for part in zip(*logs, strict=True))
        slopes.append(np.polyfit(x, y, 1)[0])
    assert values["depth_elasticity"].item() == pytest.approx(np.median(slopes), rel=1e-9)
    total = values["depth_bid_50bps_usd"].item() + values["depth_ask_50bps_usd"].item()
    daily = make_daily()
    adv = (daily["close"] * daily["volume"]).to_numpy()[-21:-1].mean()
    assert values["depth_vs_adv"].item() == pytest.approx(total / (0.01 * adv), rel=1e-12)


def losses(pattern, make_books):
    """Books whose displayed dollars follow a pattern."""
    size = np.asarray(pattern, dtype=float)[:, None]
    n = size.shape[0]
    return make_books(np.full((n, 1), 99.99), size, np.full((n, 1), 100.01), size)


def test_half_life_is_the_median_time_to_regain_half_of_a_loss(point, make_daily, make_books, run_books):
    # Lost 50 of 100; back to 75 or more after 1, 2, 3, 1 and 2 minutes.
    pattern = [100, 50, 100, 50, 60, 100, 50, 60, 70, 100, 50, 75, 100, 50, 74, 100]
    bars = make_daily()
    values = run_books(point, bars, losses(pattern, make_books))["depth_profile"].values
    assert values["resilience_half_life_s"].item() == 2 * MINUTE
    four = run_books(point, bars, losses(pattern[:12], make_books))["depth_profile"].values
    assert np.isnan(four["resilience_half_life_s"]).all()


def test_losses_never_made_good_count_as_longest(point, make_daily, make_books, run_books):
    falling = 100.0 * 0.6 ** np.arange(8)
    values = run_books(point, make_daily(), losses(falling, make_books))["depth_profile"].values
    assert np.isnan(values["resilience_half_life_s"]).all()


def test_without_a_book_the_square_root_law_stands_in(point, make_daily, make_random_books, run_books):
    bars = make_daily()
    with_book, without = (run_books(point, bars, books)["depth_profile"] for books in (make_random_books(), None))
    returns = np.diff(np.log(bars["close"].to_numpy()))[-20:]
    adv = (bars["close"] * bars["volume"]).to_numpy()[-21:-1].mean()
    law = physics.square_root_flow(0.0025, adv, returns.std(ddof=1))
    assert without.values["depth_bid_25bps_usd"].item() == pytest.approx(law.item(), rel=1e-12)
    for name in ("depth_elasticity", "depth_imbalance", "resilience_half_life_s"):
        assert np.isnan(without.values[name]).all()
    assert without.is_proxy.all() and without.reasons["NO_BOOK"].all()
    assert without.confidence.item() == 0.3 < with_book.confidence.item() == 1.0
    doubled = run_books(point, bars, parameters=LiquidityParameters(y=2.0))["depth_profile"]
    assert doubled.values["depth_bid_25bps_usd"].item() == pytest.approx(law.item() / 4, rel=1e-12)


def test_values_are_the_columns_of_the_depth_part(point, make_daily, run_books):
    own = set(DepthProfile.columns()) - {f"depth_profile_{part}" for part in ("confidence", "is_proxy", "reasons")}
    assert set(run_books(point, make_daily())["depth_profile"].values) == own
