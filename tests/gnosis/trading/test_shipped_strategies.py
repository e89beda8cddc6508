"""The shipped strategies on small views: what each holds in each state, and nothing where nothing is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import polars as pl
import pytest

from gnosis.engines.regimes import AmplificationRegime, GammaRegime
from gnosis.trading.strategies import (
    SHIPPED,
    buy_and_hold,
    gamma_regime,
    model_long_flat_short,
    placebo,
    range_or_trend,
)


@dataclass
class SmallView:
    """As much of a view as a strategy asks for."""

    symbols: list[str] = field(default_factory=lambda: ["AAA", "BBB"])
    session: dt.date = dt.date(2024, 1, 3)
    positions_shares: dict[str, float] = field(default_factory=dict)
    resting_orders: list = field(default_factory=list)
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)

    def today_values(self, name: str, *columns: str) -> list[tuple]:
        return self.tables[name].select(columns).rows()


def states(**columns: list) -> pl.DataFrame:
    naive = pl.DataFrame({"symbol": ["AAA", "BBB", "ZZZ"], **columns}).with_columns(sign_convention=pl.lit("naive"))
    return pl.concat([naive, naive.with_columns(sign_convention=pl.lit("flow"))])


def test_buy_and_hold_decides_once() -> None:
    decide = buy_and_hold.decide()
    assert decide(SmallView()) == {"AAA": 0.5, "BBB": 0.5}
    assert decide(SmallView(resting_orders=["something"])) == {}
    assert decide(SmallView(positions_shares={"AAA": 1.0})) == {}


def test_ideas_are_followed_at_their_own_size_within_the_universe() -> None:
    ideas = pl.DataFrame({"symbol": ["AAA", "BBB", "ZZZ"], "target_weight": [0.2, -0.1, 0.3]})
    assert model_long_flat_short.decide()(SmallView(tables={"trades.ideas": ideas})) == {"AAA": 0.2, "BBB": -0.1}


@pytest.mark.parametrize(
    ("regime", "share"),
    [
        (GammaRegime.LONG_GAMMA_COMPRESSION, 1.0),
        (GammaRegime.NEUTRAL, 1.0),
        (GammaRegime.LOW_GAMMA_EXPANSION, 0.25),
        (GammaRegime.SHORT_GAMMA_SQUEEZE, -0.5),
    ],
)
def test_gamma_decides_the_share(regime: GammaRegime, share: float) -> None:
    view = SmallView(tables={"engines.elasticity": states(hedge_gamma_regime=[regime.value, None, regime.value])})
    decide = gamma_regime.decide({"expansion_share": 0.25, "squeeze_share": -0.5})
    assert decide(view) == {"AAA": share / 2}, "nothing is known of BBB, so it is left as it is"


@pytest.mark.parametrize(
    ("amplification", "regime", "moved", "weight"),
    [
        (0.9, AmplificationRegime.DAMPING, 2.0, -0.5),
        (0.9, AmplificationRegime.DAMPING, -2.0, 0.5),
        (1.3, AmplificationRegime.AMPLIFYING, 2.0, 0.5),
        (1.3, AmplificationRegime.AMPLIFYING, -2.0, -0.5),
        (1.3, AmplificationRegime.AMPLIFYING, 0.9, 0.0),
        (2.5, AmplificationRegime.STORM, 2.0, 0.0),
    ],
)
def test_moves_are_faded_where_hedging_damps_and_followed_where_it_feeds(
    amplification: float, regime: AmplificationRegime, moved: float, weight: float
) -> None:
    view = SmallView(
        tables={
            "engines.elasticity": states(
                amplification=[amplification, amplification, 1.0], amplification_regime=[regime.value] * 3
            ),
            "features.technical": pl.DataFrame({"symbol": ["AAA", "BBB"], "tech_momentum_zscore": [moved, None]}),
        }
    )
    assert range_or_trend.decide()(view) == {"AAA": weight}


def test_the_placebo_throws_a_fair_coin_once_a_week() -> None:
    decide = placebo.decide({"seed": 3})
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(7 * 600)]
    thrown = [decide(SmallView(session=day))["AAA"] for day in days]
    weeks = [set(thrown[start : start + 7]) for start in range(0, len(thrown), 7)]
    assert all(len(week) == 1 for week in weeks)
    shares = [thrown[::7].count(value) / len(weeks) for value in (-0.5, 0.0, 0.5)]
    assert all(abs(share - 1 / 3) < 0.06 for share in shares)
    assert thrown != [placebo.decide({"seed": 4})(SmallView(session=day))["AAA"] for day in days]


@pytest.mark.parametrize("strategy", SHIPPED, ids=lambda strategy: strategy.name)
def test_a_strategy_says_what_it_does(strategy) -> None:
    assert strategy.description.endswith(".")
    assert set(strategy.grid) <= set(strategy.defaults)
    for name, values in strategy.grid.items():
        assert len(values) == len(set(values)) > 1, name
