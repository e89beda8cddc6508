"""Tables of the engines room: the state of each engine per symbol and session."""

from __future__ import annotations

from gnosis.engines.regimes import AMPLIFICATION_REGIMES
from gnosis.tables.dictionary import Origin, SymbolSession, instant, label, number, text
from gnosis.tables.greeks import SIGN_CONVENTIONS


class EnginesElasticity(SymbolSession, Origin):
    """How many dollars move the symbol, and whether dealer hedging damps or feeds the move."""

    sign_convention = label(
        SIGN_CONVENTIONS,
        "assumed dealer side by right",
        nullable=False,
        primary_key=True,
    )
    as_of = instant("knowledge cut-off of the row")
    spot = number("$", "price of the underlying at the chain snapshot", nullable=False)
    adv_usd = number("$ per session", "mean close x volume of the 20 sessions before", min=0)
    sigma_d = number("1/sqrt(session)", "standard deviation of the last 20 daily log returns", min=0)
    lambda_usd_per_share = number("$ per share", "Kyle slope", min=0)
    lambda_source = label(["regression", "linear_law"], "how lambda was found")
    depth_usd_per_unit = number("$ per unit log move", "market depth D without dealers", min=0)
    dealer_gamma_usd_per_unit = number("$ per unit move", "dealer dollar gamma G = 100 x GEX per 1 %")
    gex_usd_per_pct = number("$ per 1 % move", "dealer gamma exposure")
    stiffness_usd_per_pct = number("$ per 1 % move", "one-way flow that moves the price by 1 %: (D + G)/100")
    elasticity_adv_per_pct = number("ADV per 1 % move", "stiffness over average daily dollar volume")
    amplification = number(
        "ratio",
        "move with dealers / move without: D/(D + G); null when D + G <= 0",
        min_exclusive=0,
    )
    fragility = number("ratio", "-G/D; at 1 the book is unstable")
    energy_up_usd = number("$", "work to move the price up by 1 %")
    energy_down_usd = number("$", "work to move the price down by 1 %")
    movement_energy = number("ratio", "mean work of 1 % up and down over ADV x 0.005", min=0)
    energy_asymmetry = number(
        "ratio",
        "(down - up)/(down + up); positive means less work upward",
        min=-1,
        max=1,
    )
    amplification_regime = label(
        AMPLIFICATION_REGIMES,
        "damping < 0.98 <= neutral <= 1.02 < amplifying <= 1.2 < storm",
    )
    revaluation = label(
        ["sticky_moneyness", "sticky_strike"],
        "how volatility moves with spot",
        nullable=False,
    )
    confidence = number("ratio", "quality of the data behind the row", nullable=False, min=0, max=1)
    reasons = text("reason codes joined by ','; empty when there is nothing to say")
