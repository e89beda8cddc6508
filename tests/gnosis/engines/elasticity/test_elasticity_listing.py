import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.elasticity import ElasticityParameters, elasticity, expected_listing
from gnosis.engines.elasticity.greek_field_mapper import quality_factors
from gnosis.engines.elasticity.inputs import elasticity_inputs
from gnosis.engines.elasticity.listing import LISTED
from gnosis.engines.elasticity.oi_distribution import freshness
from gnosis.engines.regimes import AmplificationRegime, labels
from gnosis.options.positioning.levels import levels
from gnosis.reasons import REASONS, reasons_where
from gnosis.sessions import shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
CONTRACTS = [(r, k, oi) for r in ("C", "P") for k, oi in ((85.0, 50.0), (95.0, 100.0), (100.0, 300.0), (105.0, 50.0))]
INPUTS = dict.fromkeys(("index_levels", "liquidity", "certificates"))


@pytest.fixture(scope="module")
def chain(book):
    return pl.concat([book(CONTRACTS, days=days) for days in (2, 30)])


@pytest.fixture(scope="module")
def quality(bars, quotes_of):
    """Return freshness of open interest, the four factors of the quotes and the listed contracts of one chain."""

    def of(greeks, listing=None, quotes="all"):
        inputs = elasticity_inputs(
            greeks,
            levels(greeks, ["naive"]),
            bars(),
            quotes=quotes_of(greeks) if isinstance(quotes, str) else quotes,
            listing=listing,
            conventions=["naive"],
            revaluation="sticky_moneyness",
            index_symbols=[],
            parameters=ElasticityParameters(),
            **INPUTS,
        )
        fresh, _, median = (values.item() for values in freshness(inputs.listed.oi_age, inputs.listed.point, 1))
        return {"freshness": fresh, "median_age": median, "factors": quality_factors(inputs.listed, 1)[0].tolist()}

    return of


def set_where(frame, condition, **values):
    columns = {
        name: pl.when(condition).then(pl.lit(value)).otherwise(name).cast(frame.schema[name])
        for name, value in values.items()
    }
    return frame.with_columns(**columns)


def test_whole_chain(chain, quality):
    assert quality(chain) == {"freshness": 1.0, "median_age": 1.0, "factors": pytest.approx([1, 1, 1, 0.98])}


def test_shares_are_of_what_they_say(chain, quality, quotes_of):
    gone = (pl.col("strike") == 100) & (pl.col("dte_days") == 2)
    found = quality(set_where(chain, gone, iv=None, iv_source="none", reason="wide"))
    assert found["factors"] == pytest.approx([1, 1, 1 - 600 / 2000, 0.98])
    quotes = quotes_of(chain)
    near = pl.col("strike").is_between(90, 110)
    # Of twelve contracts near the money, one has no bid, one is crossed, one is missing.
    at = (pl.col("expiry") == SESSION + dt.timedelta(days=2)) & near & (pl.col("right") == "C")
    broken = quotes.with_columns(
        bid=pl.when(at & (pl.col("strike") == 95)).then(0.0).otherwise("bid"),
        ask=pl.when(at & (pl.col("strike") == 100)).then(pl.col("bid") / 2).otherwise("ask"),
    ).filter(~(at & (pl.col("strike") == 105)))
    assert quality(chain, quotes=broken)["factors"] == pytest.approx([9 / 12, 11 / 12, 1, 0.98])


def test_age_of_a_quote_is_measured_from_the_nominal_snapshot(chain, quality, quotes_of):
    quotes = quotes_of(chain)
    old = quotes.with_columns(pl.col("ts") - dt.timedelta(minutes=15))
    assert quality(chain, quotes=old)["factors"][1] == pytest.approx(np.exp(-1))
    at_close = quotes.with_columns(
        pl.col("ts") + dt.timedelta(minutes=15), pl.col("known_at") + dt.timedelta(minutes=15)
    )
    assert quality(chain, quotes=at_close)["factors"][1] == 1.0
    after = quotes.with_columns(pl.col("ts") + dt.timedelta(minutes=16), pl.col("known_at") + dt.timedelta(minutes=16))
    assert quality(chain, quotes=after)["factors"] == pytest.approx([0, 0, 1, 0])


def test_without_quotes_nothing_is_known_of_them(chain, quality):
    assert quality(chain, quotes=None)["factors"] == [0.0, 0.0, 1.0, 0.0]


def test_median_spread_of_wide_quotes_is_limited_to_one(chain, quality, quotes_of):
    assert quality(chain, quotes=quotes_of(chain, 0.7))["factors"][3] == 0.0
    assert quality(chain, quotes=quotes_of(chain, 0.25))["factors"][3] == pytest.approx(0.5)


def test_age_of_open_interest_halves_freshness(chain, quality):
    old = set_where(chain, pl.col("dte_days") == 2, oi_session=shift_session(SESSION, -3))
    assert quality(old)["freshness"] == pytest.approx((1 + 0.25) / 2)
    assert quality(old)["median_age"] == 2.0
    older = quality(set_where(chain, pl.col("strike") > 90, oi_session=shift_session(SESSION, -2)))
    assert older["median_age"] == 2.0 and older["freshness"] == pytest.approx(0.25 + 0.75 / 2)


def test_old_open_interest_is_said(chain, mini_bars, elasticity_of, row_of):
    old = set_where(chain, pl.col("strike") > 90, oi_session=shift_session(SESSION, -2))
    found = row_of(elasticity_of(old, mini_bars))
    assert "OI_STALE" in found["oi_distribution_reasons"]
    assert found["oi_distribution_confidence"] == pytest.approx(0.625)
    unknown = row_of(elasticity_of(set_where(chain, pl.col("strike") > 90, oi_session=None), mini_bars))
    assert unknown["oi_distribution_confidence"] == pytest.approx(0.25)
    assert {"OI_SESSION_UNKNOWN", "LOW_COVERAGE"} <= set(unknown["oi_distribution_reasons"].split(","))


def test_settled_contracts_are_not_expected(chain, quality):
    whole = chain.filter(pl.col("dte_days") == 30)
    assert quality(set_where(chain, pl.col("dte_days") == 2, iv=None, reason="settled")) == quality(whole)


def test_listing_is_what_was_expected(chain, quality):
    listing = chain.select(LISTED)
    half = chain.filter(pl.col("right") == "C")
    found = quality(half, listing)
    assert found["freshness"] == pytest.approx(0.5)
    # Half of the spreads are missing: their median lies between 0.02 and 1.
    assert found["factors"] == pytest.approx([0.5, 0.5, 0.5, 1 - (0.02 + 1) / 2])
    assert quality(half)["factors"][:3] == pytest.approx([1, 1, 1])
    assert quality(half, pl.concat([listing, listing])) == found
    assert quality(half, listing.sample(fraction=1.0, shuffle=True, seed=1)) == found


def test_change_of_open_interest_is_over_contracts_listed_in_both(chain, mini_bars, elasticity_of, row_of):
    before = shift_session(SESSION, -2)
    listing = chain.select(LISTED).with_columns(pl.col("open_interest") - 7, oi_session=pl.lit(before))
    found = row_of(elasticity_of(chain.filter(pl.col("strike") > 90), mini_bars, listing=listing))
    assert found["oi_change_contracts"] == pytest.approx(7 * 12)
    same = listing.with_columns(oi_session=pl.lit(shift_session(SESSION, -1)))
    assert row_of(elasticity_of(chain, mini_bars, listing=same))["oi_change_contracts"] is None
    assert row_of(elasticity_of(chain, mini_bars))["oi_change_contracts"] is None


def test_expected_are_the_unexpired_contracts_of_the_session_before(book):
    before = shift_session(SESSION, -1)
    tomorrow, over_tomorrow = [(SESSION + dt.timedelta(days=days) - before).days for days in (0, 1)]
    yesterday = pl.concat([book(CONTRACTS, session=before, days=days) for days in (tomorrow, over_tomorrow, 30)])
    morning = set_where(yesterday, pl.col("dte_days") == tomorrow, settlement="am")
    older = book(CONTRACTS, session=shift_session(SESSION, -2), days=60)
    assert expected_listing(pl.concat([older, yesterday])).filter(pl.col("session") == SESSION).height == 24
    found = expected_listing(morning)
    assert found.columns == LISTED
    assert found["session"].unique().to_list() == [SESSION]
    assert found["expiry"].min() == SESSION + dt.timedelta(days=1)
    assert found["open_interest"].sum() == 2 * 1000.0


def test_a_chain_that_arrived_in_part_is_noticed(book, mini_bars, elasticity_of, quotes_of, row_of):
    yesterday, today = book(CONTRACTS, session=shift_session(SESSION, -1), days=31), book(CONTRACTS, days=30)
    half = today.filter(pl.col("right") == "C")
    listing = expected_listing(pl.concat([yesterday, half]))
    found = row_of(elasticity_of(half, mini_bars, listing=listing, quotes=quotes_of(half)))
    assert "LOW_COVERAGE" in found["reasons"]
    assert found["oi_distribution_confidence"] == pytest.approx(0.5)
    assert found["dealer_positioning_confidence"] == pytest.approx((0.5**3 * 0.49) ** 0.25)


@pytest.fixture(scope="module")
def full(chain, bars, vix_of):
    return chain, bars(n=80), vix_of(np.linspace(14, 30, 120) + np.sin(np.arange(120)))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1.0))
def test_deleting_rows_never_raises_a_confidence(full, quotes_of, seed, share):
    chain, bars, vix = full
    rng = np.random.default_rng(seed)
    listing = chain.select(LISTED)
    frames = {"greeks": chain, "bars": bars, "quotes": quotes_of(chain), "index_levels": vix}
    kept = {name: rng.random(frame.height) < np.sqrt(share) for name, frame in frames.items()}
    fewer = {name: rows & (rng.random(rows.size) < 0.8) for name, rows in kept.items()}
    no_oi = pl.Series(rng.random(chain.height) < 0.3)
    poorer = chain.with_columns(open_interest=pl.when(no_oi).then(None).otherwise("open_interest"))

    def confidences(rows, greeks=chain):
        cut = {name: frame.filter(pl.Series(rows[name])) for name, frame in (frames | {"greeks": greeks}).items()}
        greeks, bars = cut.pop("greeks"), cut.pop("bars")
        if greeks.is_empty():
            return None
        found = elasticity(
            greeks, levels(greeks, ["naive"], threads=1), bars, listing=listing, conventions=["naive"], **cut
        )
        low = found.filter(pl.col("confidence") < 0.8)
        assert (low["reasons"].str.len_chars() > 0).all()
        for name in found.columns:
            if name.endswith("_reasons"):
                own = found.filter(pl.col(name.replace("_reasons", "_confidence")) < 0.8)
                assert (own[name].str.len_chars() > 0).all(), name
        return found.select(pl.col("^.*confidence$")).to_numpy()[0]

    first, second, third = confidences(kept), confidences(fewer), confidences(kept, poorer)
    for other in (second, third):
        assert first is None or other is None or (other <= first + 1e-15).all()


def test_deleting_everything_leaves_nothing(chain, mini_bars, elasticity_of, row_of):
    """What an empty chain cannot say is null, with confidence 0 and a reason."""
    bare = chain.with_columns(
        **{name: pl.lit(None, dtype=pl.Float64) for name in ("iv", "open_interest")},
        oi_session=pl.lit(None, dtype=pl.Date),
    )
    found = row_of(elasticity_of(bare, mini_bars.clear()))
    assert found["confidence"] == 0.0
    assert {"NO_CHAIN", "OI_MISSING", "SOURCE_MISSING"} <= set(found["reasons"].split(","))
    numbers = [name for name, dtype in TABLES["engines.elasticity"].polars_schema.items() if dtype == pl.Float64]
    known = {name for name in numbers if found[name] is not None and not name.endswith("confidence")}
    assert known == {"spot"}


def test_reasons_come_in_the_order_of_the_registry():
    frame = pl.DataFrame({"x": [1]})
    yes = pl.lit(True)
    found = frame.select(reasons_where({"SYNTHETIC_INPUT": yes, "NO_CHAIN": yes, "OI_STALE": pl.lit(False)})).item()
    assert found == "NO_CHAIN,SYNTHETIC_INPUT"
    with pytest.raises(ValueError, match="found \\['LATE'\\]"):
        reasons_where({"LATE": yes})


def test_registries_agree_with_the_data_dictionary():
    dtype = TABLES["engines.elasticity"].polars_schema["amplification_regime"]
    assert dtype == pl.Enum(labels("amplification_regime"))
    assert [label.value for label in AmplificationRegime] == ["damping", "neutral", "amplifying", "storm"]
    assert len(REASONS) == 26
    assert all(np.char.isupper(code.replace("_", "")) for code in REASONS)
