"""The calibration ledger: what is written stays, what is changed is found, and no idea resolves before it may."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.sessions import schedule, shift_session
from gnosis.tables.calibration import CALIBRATION
from gnosis.trading.calibration_ledger import (
    IDEA,
    Head,
    LedgerError,
    births,
    extended,
    first_open_session,
    refit,
    resolutions,
    resolved_ideas,
    verify_chain,
)

DAY = dt.date(2024, 1, 8)
CLOSES = dict(schedule().select("session", "close_at").rows())


def day(later):
    return shift_session(DAY, later)


def close(later):
    return CLOSES[day(later)]


def ideas_of(*rows):
    """Return ideas at :data:`DAY` unless they say otherwise: long, 5 sessions, target and stop 2 % away."""
    plain = {"structure": "linear", "side": 1, "horizon_bars": 3, "target_log": 0.02, "stop_log": -0.02, "p_raw": 0.6}
    plain |= {"p_event": 0.55, "p_low": 0.5, "p_high": 0.6, "p_baseline": 0.4, "model_version": "m1", "regime": None}
    plain |= {"map_intercept": 0.0, "map_slope": 1.0, "map_n_ideas": 0, "provider": "model", "synthetic": False}
    filled = []
    for number, row in enumerate(rows):
        session = row.get("session", DAY)
        keys = {"session": session, "symbol": "ABC", "idea_id": f"{session}-{number}", "as_of": CLOSES[session]}
        filled.append(plain | keys | {"known_at": CLOSES[session]} | row)
    return pl.DataFrame(filled, schema=IDEA)


def bars_of(*ohlc, symbol="ABC", late=None):
    """Return bars of the sessions after :data:`DAY`, known at their close; None for a session without one."""
    rows = []
    for number, prices in enumerate(ohlc, 1):
        if prices is None:
            continue
        known = (late or {}).get(number, close(number))
        named = dict(zip(("open", "high", "low", "close"), map(float, prices), strict=True))
        volume = 0.0 if len(set(prices)) == 1 else 1e6
        rows.append(
            {"session": day(number), "symbol": symbol, **named, "volume": volume, "adjustment_factor": 1.0}
            | {"known_at": known, "provider": "bars", "synthetic": True}
        )
    return pl.DataFrame(rows, schema_overrides={"known_at": pl.Datetime("us", "UTC")})


QUIET = (100, 101, 99, 100.5)
TO_TARGET, TO_STOP, TO_BOTH, BEYOND = (100, 103, 99, 102), (100, 101, 97, 98), (100, 103, 97, 100), (104, 105, 103, 104)


@pytest.mark.parametrize(
    ("side", "bars", "outcome", "exit_price", "resolved_after", "ambiguous"),
    [
        (1, [QUIET, TO_TARGET, QUIET], "target", 100 * np.exp(0.02), 2, False),
        (1, [QUIET, TO_STOP, TO_TARGET], "stop", 100 * np.exp(-0.02), 2, False),
        (1, [QUIET, BEYOND, QUIET], "target", 104.0, 2, False),
        (1, [QUIET, TO_BOTH, QUIET], "stop", 100 * np.exp(-0.02), 2, True),
        (-1, [QUIET, TO_BOTH, QUIET], "stop", 100 * np.exp(0.02), 2, True),
        (-1, [TO_STOP, QUIET, QUIET], "target", 100 * np.exp(-0.02), 1, False),
        (-1, [QUIET, BEYOND, QUIET], "stop", 104.0, 2, False),
        (1, [QUIET, QUIET, QUIET], "horizon", 100.5, 3, False),
    ],
)
def test_outcomes_follow_the_price_rules(side, bars, outcome, exit_price, resolved_after, ambiguous):
    ledger = births(ideas_of({"side": side, "target_log": side * 0.02, "stop_log": side * -0.02}))
    for later in range(resolved_after):
        assert resolutions(ledger, bars_of(*bars), close(later)).is_empty()
    row = resolutions(ledger, bars_of(*bars), close(9)).row(0, named=True)
    assert (row["outcome"], row["is_ambiguous"], row["reason"]) == (outcome, ambiguous, None)
    assert row["exit_price"] == pytest.approx(exit_price, rel=1e-12)
    assert (row["entry_price"], row["exit_session"]) == (100.0, day(resolved_after))
    assert (row["known_at"], row["session"]) == (close(resolved_after), day(resolved_after))
    assert (row["provider"], row["synthetic"]) == ("bars+model", True)


def test_what_bars_do_not_tell_is_null_with_its_reason_and_not_told_early():
    ledger = births(ideas_of({}, {"symbol": "GONE"}))
    halted = (100, 100, 100, 100)
    rows = resolutions(ledger, bars_of(QUIET, halted, TO_TARGET), close(3))
    assert rows.select("symbol", "outcome", "reason", "exit_price").rows() == [("ABC", None, "halted", None)]
    missing = bars_of(QUIET, None, TO_TARGET, *[QUIET] * 6)
    assert resolutions(ledger, missing, close(7)).is_empty()
    rows = resolutions(ledger, missing, close(8))
    assert rows.select("symbol", "reason", "known_at").rows() == [(s, "gap", close(8)) for s in ("ABC", "GONE")]
    # A late bar counts from when it came; the later bars were never enough without it.
    late = bars_of(QUIET, QUIET, TO_TARGET, late={2: close(5)})
    assert resolutions(ledger, late, close(4)).is_empty()
    assert resolutions(ledger, late, close(5)).row(0, named=True)["known_at"] == close(5)


def market(seed, n_sessions=30):
    generator = np.random.default_rng(seed)
    frames = []
    for symbol in ("ABC", "XYZ"):
        opens = 100.0 * np.exp(np.cumsum(generator.normal(0.0, 0.01, n_sessions)))
        closes = opens * np.exp(generator.normal(0.0, 0.005, n_sessions))
        high, low = np.maximum(opens, closes) * 1.004, np.minimum(opens, closes) * 0.996
        late = {4: close(6), 9: close(25)}
        frames.append(bars_of(*zip(opens, high, low, closes, strict=True), symbol=symbol, late=late))
    asked = [{"session": day(n), "symbol": s, "idea_id": f"{s}{n}"} for n in range(20) for s in ("ABC", "XYZ")]
    return ideas_of(*asked), pl.concat(frames)


def by_night(ideas, bars, until):
    ledger = CALIBRATION.empty()
    for later in range(until + 1):
        ledger = extended(ledger, ideas.filter(pl.col("session") == day(later)), bars, close(later))
    return ledger


def test_single_nights_write_the_rows_of_all_nights_at_once_and_the_future_changes_none():
    ideas, bars = market(1)
    ledger = by_night(ideas, bars, 28)
    at_once = extended(CALIBRATION.empty(), ideas, bars, close(28))
    assert ledger.equals(at_once)
    assert verify_chain(ledger) == 80
    assert ledger.filter(kind="resolution")["reason"].drop_nulls().to_list() != []
    # Truncation and poison: bars known later change nothing that was written before.
    poison = bars.with_columns(
        [pl.when(pl.col("known_at") > close(12)).then(1e6).otherwise(name).alias(name) for name in ("high", "close")]
    )
    before = extended(CALIBRATION.empty(), ideas, bars.filter(pl.col("known_at") <= close(12)), close(12))
    assert before.equals(extended(CALIBRATION.empty(), ideas, poison, close(12)))
    assert before.equals(ledger.head(before.height))
    assert extended(ledger, ideas, bars, close(28)).equals(ledger)


def test_nothing_but_a_price_that_was_met_resolves_before_its_time():
    ideas, bars = market(2)
    ledger = extended(CALIBRATION.empty(), ideas, bars, close(28))
    due = ledger.filter(kind="birth").select("idea_id", due="resolves_at")
    rows = ledger.filter(kind="resolution").join(due, on="idea_id")
    early = rows.filter(pl.col("known_at") < pl.col("due"))
    assert set(early["outcome"]) == {"target", "stop"}
    assert rows.height == ideas.height


LEDGER = extended(CALIBRATION.empty(), *market(3), close(28))


def another(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, dt.datetime):
        return value + dt.timedelta(microseconds=1)
    if isinstance(value, dt.date):
        return value + dt.timedelta(days=1)
    return float(np.nextafter(value, 2.0)) if isinstance(value, float) else value + 1


@settings(deadline=None, max_examples=60)
@given(position=st.integers(0, LEDGER.height - 1), column=st.sampled_from(LEDGER.columns), removed=st.booleans())
def test_any_edited_cell_is_found_where_it_is(position, column, removed):
    dtype = LEDGER.schema[column]
    old = LEDGER[column][position]
    words = dtype.categories.to_list() if isinstance(dtype, pl.Enum) else [None]
    if removed or old is None:
        new = words[0] if old is None else None
    elif isinstance(dtype, pl.Enum):
        new = next((word for word in words if word != old), None)
    else:
        new = another(old)
    if new is None and old is None:
        new = {pl.String: "x", pl.Boolean: True, pl.Date: DAY, pl.Datetime: close(0)}.get(dtype.base_type(), 1)
    changed = pl.Series(column, [*LEDGER[column][:position], new, *LEDGER[column][position + 1 :]], dtype=dtype)
    with pytest.raises(LedgerError) as error:
        verify_chain(LEDGER.with_columns(changed))
    # A row whose number is wrong is missed in its place, or found twice in another.
    assert error.value.position == position + 1 or (column == "sequence" and error.value.position in (1, position + 2))


def test_rows_removed_moved_or_written_twice_are_found():
    with pytest.raises(LedgerError, match="row 5"):
        verify_chain(LEDGER.filter(pl.col("sequence") != 5))
    with pytest.raises(LedgerError, match="row 6"):
        verify_chain(pl.concat([LEDGER, LEDGER[4:5]]))
    swapped = LEDGER.with_columns(sequence=pl.col("sequence").replace({7: 8, 8: 7}))
    with pytest.raises(LedgerError, match="row 7"):
        verify_chain(swapped)
    assert verify_chain(LEDGER.sample(fraction=1.0, shuffle=True, seed=1)) == LEDGER.height


def test_a_ledger_knows_which_bars_it_needs():
    ideas, bars = market(4)
    assert first_open_session(CALIBRATION.empty(), ideas) == DAY
    ledger = extended(CALIBRATION.empty(), ideas.filter(pl.col("session") < day(3)), bars, close(28))
    assert first_open_session(ledger, ideas) == day(3)
    assert first_open_session(ledger, ideas.clear()) is None
    with pytest.raises(ValueError, match="read them from the first open idea"):
        resolutions(births(ideas), bars.filter(pl.col("session") > day(4)), close(9))


def through_the_ledger(times, seed, n_ideas=2_000):
    """Register ideas of a source whose log odds are ``times`` what they should be; bars decide by the true odds."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(0.0, 0.6, n_ideas)
    happened = generator.uniform(size=n_ideas) < 1.0 / (1.0 + np.exp(-logit))
    p = 1.0 / (1.0 + np.exp(-times * logit))
    names = [f"S{number:04d}" for number in range(n_ideas)]
    one = ideas_of({"horizon_bars": 1})
    ideas = pl.concat([one] * n_ideas).with_columns(
        symbol=pl.Series(names), idea_id=pl.Series(names), p_raw=pl.Series(p), p_event=pl.Series(p)
    )
    ideas = ideas.with_columns(p_low=pl.col("p_event") * 0.9, p_high=1.0 - (1.0 - pl.col("p_event")) * 0.9)
    met = pl.Series(happened)
    bars = pl.concat([bars_of(QUIET)] * n_ideas).with_columns(
        symbol=pl.Series(names),
        high=pl.Series(np.where(met, 103.0, 101.0)),
        low=pl.Series(np.where(met, 99.0, 97.0)),
    )
    return extended(CALIBRATION.empty(), ideas, bars, close(1))


def test_doubled_log_odds_are_halved_by_the_ledger_and_honest_ones_left_alone():
    doubled = [refit(through_the_ledger(2.0, seed), close(1)).slope for seed in range(5)]
    assert all(abs(slope - 0.5) <= 0.10 for slope in doubled), doubled
    honest = through_the_ledger(1.0, 7)
    assert refit(honest, close(1)).slope == pytest.approx(1.0, abs=0.15)
    assert refit(honest, close(0)).n_ideas == 0
    assert resolved_ideas(honest).height == 2_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"p_event": 1.0}, "within"),
        ({"p_low": 0.7}, "p_low <= p_high"),
        ({"side": 0}, "side 1 or -1"),
        ({"target_log": -0.02}, "a gain"),
        ({"horizon_bars": 0}, "a horizon"),
        ({"p_event": None}, "without nulls"),
    ],
)
def test_an_event_that_cannot_be_judged_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        births(ideas_of(change))


def test_an_idea_is_born_once():
    with pytest.raises(ValueError, match="idea_id of its own"):
        births(ideas_of({"idea_id": "a"}, {"idea_id": "a"}))
    with pytest.raises(ValueError, match="p_raw"):
        births(ideas_of({}).drop("p_raw"))
    first = births(ideas_of({}))
    assert Head.of(first) == Head(1, first["row_sha256"][0])
    assert births(ideas_of({}), Head.of(first))["previous_sha256"][0] == first["row_sha256"][0]
