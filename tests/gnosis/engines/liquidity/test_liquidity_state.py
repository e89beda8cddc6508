"""The whole liquidity engine: what it may see, how it scales, and what its confidence does when data are missing."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis import simulate
from gnosis.engines.liquidity import LiquidityParameters, LiquidityState, liquidity, states
from gnosis.engines.liquidity.dark_pool_and_shorts import process as dark_pool
from gnosis.engines.regimes import REGIMES, LiquidityRegime
from gnosis.reasons import REASONS
from gnosis.tables import TABLES
from gnosis.tables.engines import PROCESSORS

TABLE = TABLES["engines.liquidity"]
LAST = 3
CONFIDENCES = [*(f"{name}_confidence" for name in PROCESSORS["liquidity"]), "liq_confidence"]
PRICES = ("open", "high", "low", "close")
NOON = dt.timedelta(hours=16)


@pytest.fixture(scope="module")
def world(flow_world):
    return flow_world


@pytest.fixture(scope="module")
def stored(world):
    """Rows of the sessions before the last ones, from daily bars and shorts."""
    return liquidity(world.bars, shorts=world.shorts, sessions=world.days[-80:-LAST])


@pytest.fixture(scope="module")
def rows(world, stored):
    return run(world, stored)


def run(world, stored, bars=None, sessions=None, **inputs):
    given = world.inputs | inputs
    days = world.days[-LAST:] if sessions is None else sessions
    return liquidity(world.bars if bars is None else bars, stored=stored, sessions=days, **given)


def test_rows_keep_the_contract(world, rows):
    assert rows.schema == TABLE.polars_schema
    assert TABLE.schema.is_valid(rows)
    assert rows.select("session", "symbol").rows() == [
        (day, name) for day in world.days[-LAST:] for name in ("AAA", "BBB")
    ]
    assert rows["known_at"].equals(rows["as_of"], check_names=False)
    assert rows["provider"].unique().to_list() == ["simulate"]
    assert rows["synthetic"].all()
    assert rows["reasons"].str.contains("SYNTHETIC_INPUT").all()
    assert rows["parameters"].unique().to_list() == [LiquidityParameters().json()]
    for name in TABLE.polars_schema:
        if rows.schema[name] == pl.Float64:
            assert rows[name].drop_nulls().is_finite().all(), name
    assert rows.filter(pl.col("liq_confidence") < 0.8)["reasons"].str.len_chars().min() > 0


def test_every_unsure_processor_gives_a_reason(world, rows):
    for frame in (rows, liquidity(world.bars, sessions=world.days[-2:])):
        for name in PROCESSORS["liquidity"]:
            unsure = frame.filter(pl.col(f"{name}_confidence") < 0.8)
            assert (unsure[f"{name}_reasons"] != "").all(), name
            assert set(",".join(frame[f"{name}_reasons"]).split(",")) - {""} <= set(REASONS)


def test_engine_confidence_and_regime_confidence(rows):
    mean = rows.select(pl.mean_horizontal(CONFIDENCES[:-1])).to_series()
    np.testing.assert_allclose(rows["liq_confidence"], mean)
    score = rows["liq_score"].to_numpy()
    distance = np.abs(score[:, None] - np.array([0.8, 0.6, 0.4, 0.2])).min(axis=1)
    np.testing.assert_allclose(rows["liq_regime_confidence"], np.minimum(1, distance / 0.1) * rows["liq_confidence"])


def test_daily_bars_alone_are_worth_at_most_the_proxy(world):
    found = liquidity(world.bars, sessions=world.days[-1:])
    assert (found["liq_confidence"] <= 0.3).all()
    proxies = [name for name in PROCESSORS["liquidity"] if name != "dark_pool_and_shorts"]
    assert all(found[f"{name}_is_proxy"].all() for name in proxies)
    assert set(found["lambda_source"]) == {"linear_law"}
    np.testing.assert_allclose(found["liq_kyle_lambda"], found["sigma_d"] * 1e10 / found["adv_usd"])
    np.testing.assert_allclose(found["lambda_usd_per_share"], found["sigma_d"] * found["spot"] ** 2 / found["adv_usd"])


@pytest.mark.parametrize("volume", [0.0, None])
def test_an_index_without_volume_has_no_depth(world, volume):
    none = pl.lit(volume, dtype=pl.Float64).alias("volume")
    outstanding = pl.DataFrame({"symbol": "AAA", "known_at": world.bars["known_at"][0], "shares_outstanding": 1e9})
    found = liquidity(
        world.bars.with_columns(none),
        intraday=world.intraday.with_columns(none),
        shorts=world.shorts,
        sessions=world.days[-1:],
        shares_outstanding=outstanding,
    )
    for name in (
        "depth_usd_per_unit",
        "liq_amihud",
        "toxicity_proxy",
        "almgren_permanent_bps",
        "liq_off_exchange_ratio",
    ):
        assert found[name].null_count() == 2, name
    assert found["liq_wyckoff_phase"].null_count() == 0


def test_prices_that_do_not_move_give_nulls_and_no_infinity(world):
    still = [pl.lit(100.0).alias(name) for name in PRICES]
    bars = world.bars.with_columns(still, adjustment_factor=pl.lit(1.0))
    found = liquidity(bars, intraday=world.intraday.with_columns(still), shorts=world.shorts, sessions=world.days[-1:])
    for name in ("depth_usd_per_unit", "depth_local_usd_per_unit", "toxicity_proxy", "liq_polr_direction"):
        assert found[name].null_count() == 2, name
    assert found["liq_amihud"].to_list() == [0.0, 0.0]


def test_no_bars_make_no_rows(world):
    assert liquidity(world.bars.clear()).height == 0
    assert liquidity(world.bars, sessions=[]).height == 0


@pytest.mark.parametrize("table", ["intraday", "books", "shorts", "trades"])
def test_a_table_without_a_column_is_refused(world, table):
    with pytest.raises(ValueError, match="expected a column 'known_at'"):
        frame = world.inputs.get(table, TABLES["raw.trades"].empty())
        liquidity(world.bars, sessions=world.days[-1:], **{table: frame.drop("known_at")})


def test_truncation_and_poison_of_what_comes_later_change_nothing(world, stored, rows):
    last = world.days[-2]
    expected = rows.filter(pl.col("session") == last)
    as_of = expected["as_of"].max()
    for of in (
        lambda frame: frame.filter(pl.col("known_at") <= as_of),
        lambda frame: poisoned(frame, pl.col("known_at") > as_of),
    ):
        changed = {name: of(frame) for name, frame in world.inputs.items()}
        bars = of(world.bars)
        found = run(world, stored, bars, **changed).filter(pl.col("session") == last)
        assert_frame_equal(found, expected, check_exact=True)


def poisoned(frame, where):
    numbers = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    return frame.with_columns(pl.when(where).then(pl.col(name) * 1000).otherwise(name).alias(name) for name in numbers)


def test_one_session_after_the_other_gives_the_rows_of_all_together(world, stored, rows):
    for day in world.days[-LAST:]:
        found = run(world, stored, sessions=[day])
        assert_frame_equal(found, rows.filter(pl.col("session") == day), check_exact=True)
        stored = pl.concat([stored, found])


def test_a_processor_that_leaks_is_caught(world, stored, rows, monkeypatch):
    def leaking(inputs, history, parameters, earlier):
        found = dark_pool(inputs, history, parameters, earlier)
        most = max(float(panel.volume[np.isfinite(panel.volume)].max()) for _, _, panel in inputs.bars._groups)
        values = dict(found.values) | {"short_volume_trend": np.full(len(inputs.points), most)}
        return type(found)(values, found.confidence, found.reasons, found.is_proxy)

    from gnosis.engines.liquidity import state

    monkeypatch.setitem(state._PROCESS, "dark_pool_and_shorts", leaking)
    last = world.days[-2]
    whole = run(world, stored, world.bars, world.days[-2:]).filter(pl.col("session") == last)
    loud = world.bars.with_columns(
        volume=pl.when(pl.col("session") > last).then(pl.col("volume") * 1000).otherwise("volume")
    )
    leaked = run(world, stored, loud, world.days[-2:]).filter(pl.col("session") == last)
    assert not whole.equals(leaked)


def test_row_order_duplicates_names_and_company_do_not_matter(world, stored, rows):
    def mixed(frame):
        return pl.concat([frame, frame.sample(fraction=0.2, seed=1)]).sample(fraction=1.0, shuffle=True, seed=2)

    again = run(
        world, mixed(stored.unique()).unique(), mixed(world.bars), **{k: mixed(v) for k, v in world.inputs.items()}
    )
    assert_frame_equal(again, rows, check_exact=True)
    only = pl.col("symbol") == "BBB"
    alone = {name: frame.filter(only) for name, frame in world.inputs.items()}
    renamed = {k: v.with_columns(symbol=pl.lit("Z")) for k, v in alone.items()}
    own = world.bars.filter(only)
    expected = rows.filter(only)
    assert_frame_equal(run(world, stored, own, **alone), expected, check_exact=True)
    past = stored.filter(only).with_columns(symbol=pl.lit("Z"))
    found = run(world, past, own.with_columns(symbol=pl.lit("Z")), **renamed)
    assert_frame_equal(found.drop("symbol"), expected.drop("symbol"), check_exact=True)


@pytest.mark.parametrize("seed", range(6))
def test_deleting_rows_never_raises_a_confidence(world, stored, seed):
    rng = np.random.default_rng(seed)
    last = world.days[-1:]
    frames = {"bars": world.bars, "stored": stored} | world.inputs
    before = run(world, stored, sessions=last)
    for _ in range(3):
        share = rng.choice([0.02, 0.3, 0.9, 1.0], size=len(frames))
        for (name, frame), part in zip(list(frames.items()), share, strict=True):
            gone = rng.random(frame.height) < part * rng.integers(0, 2)
            if name == "bars":
                gone &= (frame["session"] != last[0]).to_numpy()
            frames[name] = frame.filter(~gone)
        inputs = {name: frame for name, frame in frames.items() if name not in ("bars", "stored")}
        after = liquidity(frames["bars"], stored=frames["stored"], sessions=last, **inputs)
        for name in CONFIDENCES:
            assert (after[name] <= before[name] + 1e-12).all(), name
        before = after


def test_nothing_but_the_own_bar_gives_reasons_and_next_to_no_confidence(world):
    own = world.bars.filter(pl.col("session") == world.days[-1])
    found = liquidity(own, sessions=world.days[-1:])
    assert (found["liq_confidence"] < 0.02).all()
    assert (found["reasons"] != "").all()
    assert found["liq_kyle_lambda"].null_count() == found["liq_score"].null_count() == 2


def test_a_correction_counts_from_when_it_is_known(world, stored, rows):
    day, late = world.days[-3], world.days[-2]
    moment = rows.filter(pl.col("session") == late)["as_of"].max()
    wrong = pl.col("session") == day
    corrected = [
        frame.filter(wrong).with_columns(
            volume=pl.col("volume") * 3, known_at=pl.lit(moment).cast(frame["known_at"].dtype)
        )
        for frame in (world.bars, world.intraday)
    ]
    found = run(
        world, stored, pl.concat([world.bars, corrected[0]]), intraday=pl.concat([world.intraday, corrected[1]])
    )
    before = pl.col("session") < late
    assert_frame_equal(found.filter(before), rows.filter(before), check_exact=True)
    assert (found.filter(~before)["liq_amihud"] < rows.filter(~before)["liq_amihud"]).all()


USD = ["adv_usd", "depth_usd_per_unit", "depth_local_usd_per_unit"] + [
    name
    for name in TABLE.polars_schema
    if name.startswith(("cost_", "depth_bid", "depth_ask")) and name.endswith("_usd")
]
INVERSE = ["liq_kyle_lambda", "liq_amihud"]


def assert_scaled(found, rows, expected):
    """Assert that columns scale as told, and that those not named stay."""
    for name, dtype in rows.schema.items():
        if name in ("known_at", "as_of", "parameters"):
            continue
        if dtype == pl.Float64 and name != "hasbrouck_slope":
            known = rows[name].to_numpy() * expected.get(name, 1.0)
            np.testing.assert_allclose(found[name].to_numpy(), known, rtol=1e-7, atol=1e-9, err_msg=name)
        elif dtype != pl.Float64:
            assert found[name].equals(rows[name]), name
    root = expected.get("depth_usd_per_unit", 1.0) ** -0.5
    np.testing.assert_allclose(found["hasbrouck_slope"], rows["hasbrouck_slope"].to_numpy() * root, rtol=1e-7)


def scaled(frame, columns, factor):
    return frame.with_columns(pl.col(name) * factor for name in columns if name in frame.columns)


def rescaled_rows(stored, expected):
    return stored.with_columns(pl.col(name) * factor for name, factor in expected.items())


def test_prices_times_a(world, stored, rows):
    a = 4.0
    expected = dict.fromkeys(USD, a) | dict.fromkeys(INVERSE, 1 / a) | {"lambda_usd_per_share": a, "spot": a}
    columns = (*PRICES, "price")
    found = run(
        world,
        rescaled_rows(stored, expected),
        scaled(world.bars, columns, a),
        **{name: scaled(frame, columns, a) for name, frame in world.inputs.items()},
    )
    assert_scaled(found, rows, expected)


def test_a_split_of_everything(world, stored, rows):
    n = 4.0
    expected = {"lambda_usd_per_share": n**-2, "spot": 1 / n, "adv_shares": n, "ofi_shares": n}
    prices, sizes = (*PRICES, "price"), ("volume", "size", "short_volume", "total_volume", "short_exempt_volume")
    split = {
        name: scaled(scaled(frame, prices, 1 / n), sizes, n)
        for name, frame in {"bars": world.bars, **world.inputs}.items()
    }
    assert_scaled(run(world, rescaled_rows(stored, expected), split.pop("bars"), **split), rows, expected)


def test_volumes_times_b(world, stored, rows):
    b = 2.0
    expected = dict.fromkeys(USD, b) | dict.fromkeys(INVERSE, 1 / b)
    expected |= {"lambda_usd_per_share": 1 / b, "adv_shares": b, "ofi_shares": b}
    sizes = ("volume", "size", "short_volume", "total_volume", "short_exempt_volume")
    found = run(
        world,
        rescaled_rows(stored, expected),
        scaled(world.bars, sizes, b),
        **{name: scaled(frame, sizes, b) for name, frame in world.inputs.items()},
    )
    assert_scaled(found, rows, expected)


def test_a_split_within_the_window_changes_nothing(world, stored, rows):
    """Prices before the split quarter and the factor falls with them: dollars and normalised outputs stay."""
    day = world.days[-10]
    after = pl.col("session") >= day

    def split(frame):
        parts = [
            pl.when(after).then(pl.col(name) / 4).otherwise(name).alias(name)
            for name in PRICES
            if name in frame.columns
        ]
        sizes = [name for name in ("volume", "short_volume", "total_volume") if name in frame.columns]
        parts += [pl.when(after).then(pl.col(name) * 4).otherwise(name).alias(name) for name in sizes]
        if "adjustment_factor" in frame.columns:
            parts.append(
                pl.when(after)
                .then(pl.col("adjustment_factor") * 4)
                .otherwise("adjustment_factor")
                .alias("adjustment_factor")
            )
        return frame.with_columns(parts)

    last = world.days[-1:]
    whole = run(world, None, sessions=last, books=None)
    found = run(
        world, None, split(world.bars), last, intraday=split(world.intraday), shorts=split(world.shorts), books=None
    )
    expected = {"lambda_usd_per_share": 1 / 16, "spot": 1 / 4, "adv_shares": 4.0}
    assert_scaled(found, whole, expected)


def test_every_label_of_every_regime_is_reached_and_read(world):
    days = world.days[-LAST:]
    labels = {name: set() for name in REGIMES if name in TABLE.polars_schema}
    plain = liquidity(world.bars, shorts=world.shorts, sessions=world.days[-140:])
    frames = [plain]
    past = plain.filter(pl.col("session") < days[0])
    tenth = pl.int_range(pl.len()).over("symbol") % 10 == 0
    costs = ("liq_friction_cost", "liq_kyle_lambda", "depth_vs_adv", "spread_bps")
    for factor, quiet, loud in ((0.2, 1.0, 1.0), (1.0, 0.0, 1.0), (5.0, 0.0, 0.0)):
        toxicity = pl.when(tenth).then(loud).otherwise(quiet).alias("toxicity_proxy")
        frames.append(
            run(world, past.with_columns([pl.col(name) * factor for name in costs] + [toxicity]), sessions=days)
        )
    for frame in frames:
        for name, seen in labels.items():
            seen |= set(frame[name].drop_nulls().to_list())
        assert len(states(frame)) == frame.height
    # Phases are reached one by one in the tests of their rule.
    missing = {name: set(REGIMES[name]) - seen for name, seen in labels.items() if name != "liq_wyckoff_phase"}
    assert missing == {name: set() for name in missing}


def test_records(rows):
    found = states(rows)
    assert all(isinstance(state, LiquidityState) for state in found)
    first = rows.row(0, named=True)
    state = found[0]
    assert (state.symbol, state.session, state.spot) == (first["symbol"], first["session"], first["spot"])
    assert state.regime is None or isinstance(state.regime, LiquidityRegime)
    assert state.score == first["liq_score"]
    assert state.slippage_buy_bps[0.01] == first["slippage_buy_1pct_bps"]
    assert state.unfilled_sell_share[0.05] == first["unfilled_sell_5pct_share"]
    assert ",".join(state.reasons) == first["reasons"]
    assert state.regimes["impact_regime"] == first["impact_regime"]
    with pytest.raises(AttributeError):
        state.score = 1.0


def test_origin_is_that_of_the_rows_that_a_point_sees(world):
    last = world.days[-1]
    bars = world.bars.with_columns(provider=pl.lit("yahoo"), synthetic=pl.lit(False))
    late = world.shorts.with_columns(
        provider=pl.when(pl.col("session") == last).then(pl.lit("later")).otherwise(pl.lit("finra")),
        synthetic=pl.lit(False),
    )
    found = liquidity(bars, shorts=late, sessions=[last], intraday=world.intraday.filter(pl.col("symbol") == "AAA"))
    assert found["provider"].to_list() == ["finra+simulate+yahoo", "finra+yahoo"]
    assert found["synthetic"].to_list() == [True, False]


def test_trades_give_vpin(world):
    trades = world.table("raw.trades", simulate.trades(world.bars, seed=7, sessions=world.days[-2:]))
    found = liquidity(world.bars, trades=trades, sessions=world.days[-1:])
    assert found["vpin"].is_between(0, 1).all()
    assert found["toxicity_proxy"].null_count() == 2
