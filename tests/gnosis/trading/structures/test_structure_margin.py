"""Margin by strategy: against the engine of the options backtest, by date, and with a broker's numbers."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from gnosis.backtest.options.configuration import OptionsConfiguration
from gnosis.backtest.options.contracts import Contract
from gnosis.backtest.options.margin import Held, required_margin
from gnosis.trading.structures import BY_ID, Execution, MarginRuleError, margin_rule
from gnosis.trading.structures.margin import required_margin_usd
from gnosis.trading.structures.payoff import expiry_curve, payoffs
from gnosis.trading.structures.premium import net_premium
from gnosis.trading.structures.selection import enumerated
from tests.gnosis.trading.structures.flat_market import SESSION, chain_of

NAKED = [
    "short_strangle",
    "short_straddle",
    "jade_lizard",
    "reverse_jade_lizard",
    "risk_reversal_long",
    "risk_reversal_short",
    "short_guts",
    "naked_call",
    "naked_put",
]


def margins(name: str, rule=None):
    chain = chain_of((30,), style="A")
    drawn, _ = enumerated(chain, [BY_ID[name]])
    assert len(drawn)
    premium = net_premium(chain, drawn, Execution(half_spreads=0.0, fee_usd_per_contract=0.0))
    found = payoffs(expiry_curve(chain, drawn, premium.outlay_usd))
    margin = required_margin_usd(chain, drawn, premium, found.max_loss_usd, rule or margin_rule(SESSION))
    return chain, drawn, premium, found, margin


@pytest.mark.parametrize("name", NAKED)
def test_naked_structures_need_what_the_options_backtest_requires(name):
    chain, drawn, premium, _, margin = margins(name)
    day = SESSION + dt.timedelta(days=30)
    for row in range(len(drawn)):
        held = [
            Held(
                Contract("x", "XYZ", "XYZ", day, "pm", "C" if chain.is_call[contract] else "P",
                         float(chain.strike_usd[contract]), 100, True, day),
                int(quantity),
                float(price),
            )
            for contract, quantity, price in zip(
                drawn.contract[row], drawn.quantity[row], premium.leg_price_usd[row], strict=True
            )
        ]  # fmt: skip
        expected = required_margin(chain.spot_usd, 0.0, held, OptionsConfiguration())
        assert margin[row] == pytest.approx(expected, abs=1e-9)


def test_defined_risk_needs_its_worst_loss():
    _, _, _, found, margin = margins("iron_condor")
    assert margin == pytest.approx(100 * found.max_loss_usd)


def test_a_covered_call_needs_the_margin_of_its_shares_and_a_secured_put_its_strike():
    chain, drawn, _, _, margin = margins("cash_secured_put")
    assert margin == pytest.approx(100 * chain.strike_usd[drawn.contract[:, 0]])
    *_, margin = margins("covered_call")
    assert margin == pytest.approx(0.5 * 100 * 100.0)


def test_a_broker_may_ask_for_more():
    rule = margin_rule(SESSION, {"share_of_spot": 0.30})
    assert "broker overrides" in rule.source
    *_, usual = margins("naked_put")
    *_, more = margins("naked_put", rule)
    assert more - usual == pytest.approx(np.full(usual.size, 1000.0))
    with pytest.raises(ValueError, match="numbers out of"):
        margin_rule(SESSION, {"source": 1.0})


def test_a_day_without_a_rule_is_refused():
    with pytest.raises(MarginRuleError, match="found 0"):
        margin_rule(dt.date(1980, 1, 2))
    twice = (margin_rule(SESSION), margin_rule(SESSION))
    with pytest.raises(MarginRuleError, match="found 2"):
        margin_rule(SESSION, rules=twice)
