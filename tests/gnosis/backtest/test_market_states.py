"""Buckets of a result: the state at the decision, never that of the session itself."""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.backtest.market_states import market_states

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9, 10, 11, 12, 16, 17)]


def rows(symbols: list[str], **columns: list) -> pl.DataFrame:
    days = pl.DataFrame({"session": DAYS[:10], **columns})
    return days.join(pl.DataFrame({"symbol": symbols}), how="cross")


def states() -> pl.DataFrame:
    regime = rows(["A", "B"], regime_vix_bucket=[0, 1, 2, 0, 1, 2, 0, 1, 2, None])
    liquidity = pl.concat(
        [
            rows([symbol], liq_regime=[word] * 10)
            for symbol, word in zip("ABC", ("Thin", "Crisis", "Crisis"), strict=True)
        ]
    )
    energy = [float(value) for value in (5, 3, 1, 2, 4, 10, 8, 6, 7, 9)]
    elasticity = pl.concat(
        [
            rows(["A"], sign_convention=["naive"] * 10, hedge_primary_regime=["b"] * 10, hedge_movement_energy=energy),
            rows(["B"], sign_convention=["naive"] * 10, hedge_primary_regime=["a"] * 10, hedge_movement_energy=energy),
            rows(
                ["A"], sign_convention=["flow"] * 10, hedge_primary_regime=["c"] * 10, hedge_movement_energy=[99.0] * 10
            ),
        ]
    )
    return market_states(pl.Series("session", DAYS), regime, liquidity, elasticity, {0: "low", 1: "normal", 2: "high"})


def test_a_session_has_the_state_of_the_close_before() -> None:
    vix = states().filter(scope="vix_bucket")
    assert vix["session"].to_list() == DAYS[1:10]
    assert vix["bucket"].to_list() == ["low", "normal", "high"] * 3


def test_the_regime_of_most_symbols_counts_and_the_first_by_name_of_equally_many() -> None:
    found = states()
    assert set(found.filter(scope="liquidity_regime")["bucket"]) == {"Crisis"}
    assert set(found.filter(scope="hedge_regime")["bucket"]) == {"a"}


def test_energy_is_cut_into_fifths_of_the_sample_from_one_convention() -> None:
    fifths = states().filter(scope="energy_quintile")
    assert fifths["session"].to_list() == DAYS[1:]
    assert fifths["bucket"].to_list() == ["3", "2", "1", "1", "2", "5", "4", "3", "4", "5"]


def test_what_is_not_known_has_no_bucket() -> None:
    assert DAYS[10] not in states().filter(scope="vix_bucket")["session"].to_list()
