"""Tables of the greeks room: volatility, sensitivities and dealer exposures of every option contract."""

from __future__ import annotations

from gnosis.tables.dictionary import (
    Origin,
    count,
    day,
    flag,
    instant,
    label,
    number,
    text,
)

SIGN_CONVENTIONS = ["naive", "customer_long", "inverted"]
EXPIRY_BUCKETS = ["0-1", "2-7", "8-35", "36+"]
QUOTE_REASONS = [
    "dup",
    "settled",
    "stale",
    "zero_bid",
    "crossed",
    "wide",
    "bound",
    "no_time_value",
    "no_forward",
    "no_rate",
    "oi_missing",
]


class GreeksOptionGreeks(Origin):
    """Implied volatility and the ten Black-Scholes-Merton Greeks of every quoted contract, per unit."""

    session = day("exchange session of the snapshot", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    expiry = day("expiry date of the contract", primary_key=True)
    settlement = label(
        ["am", "pm"],
        "morning or afternoon settlement",
        nullable=False,
        primary_key=True,
    )
    right = label(["C", "P"], "call or put", nullable=False, primary_key=True)
    strike = number("$", "strike price", nullable=False, primary_key=True)
    root = text("option root as listed", primary_key=True)
    ts = instant("quote instant")
    spot = number("$", "price of the underlying at the quote instant", nullable=False)
    mid = number("$", "mean of bid and ask, of usable quotes only")
    tau_years = number(
        "years",
        "time to settlement, ACT/365F from instant to instant, floor one hour",
        nullable=False,
    )
    is_tau_floored = flag("true when the time to settlement was raised to one hour")
    dte_days = count("expiry date minus session date", unit="calendar days", nullable=False)
    forward = number("$", "forward price for the expiry")
    forward_source = label(["parity", "carry"], "put-call parity or rates alone")
    forward_se = number("$", "standard error of the parity forward", min=0)
    discount = number("ratio", "discount factor to settlement", min_exclusive=0)
    iv = number(
        "1/sqrt(year)",
        "implied volatility as a decimal (0.20 = 20 vol points)",
        min_exclusive=0,
    )
    iv_source = label(
        ["own", "interpolated", "extrapolated", "none"],
        "where iv comes from",
        nullable=False,
    )
    reason = label(QUOTE_REASONS, "why the quote gave no volatility of its own; null when it did")
    delta = number("shares per share", "dV/dS")
    gamma_per_usd = number("1/$", "d2V/dS2")
    vega_per_vol = number("$ per 1.00 vol", "dV/dsigma")
    theta_per_year = number("$ per year", "dV/dt in calendar time")
    rho_per_unit = number("$ per 1.00 rate", "dV/dr")
    vanna_per_vol = number("1 per 1.00 vol", "d delta/d sigma")
    charm_per_year = number("1 per year", "d delta/dt in calendar time")
    vomma_per_vol2 = number("$ per vol^2", "d vega/d sigma")
    speed_per_usd2 = number("1/$^2", "d gamma/dS")
    zomma_per_usd_vol = number("1/$ per 1.00 vol", "d gamma/d sigma")
    open_interest = number("contracts", "open interest of oi_session", min=0)
    oi_session = day("session whose open interest is given", nullable=True)
    multiplier = number("shares", "shares per contract", nullable=False)


class GreeksExposure(Origin):
    """Dealer exposures by strike, expiry bucket and sign convention; sums of these rows are the totals."""

    session = day("exchange session of the snapshot", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    sign_convention = label(
        SIGN_CONVENTIONS,
        "assumed dealer side by right",
        nullable=False,
        primary_key=True,
    )
    expiry_bucket = label(EXPIRY_BUCKETS, "calendar days to expiry", nullable=False, primary_key=True)
    strike = number("$", "strike price", nullable=False, primary_key=True)
    spot = number("$", "price of the underlying at the quote instant", nullable=False)
    dealer_gamma_shares_per_usd = number("shares per $", "sum of x gamma OI M", nullable=False)
    gex_usd_per_pct = number("$ per 1 % move", "dealer gamma exposure", nullable=False)
    dex_usd = number("$", "dealer delta exposure", nullable=False)
    vex_usd_per_volpt = number("$ of delta per vol point", "dealer vanna exposure", nullable=False)
    cex_usd_per_day = number("$ of delta per calendar day", "dealer charm exposure", nullable=False)
    vega_usd_per_volpt = number("$ per vol point", "dealer vega exposure", nullable=False)
    open_interest = number("contracts", "open interest in the sums", nullable=False, min=0)
    n_contracts = count("contracts with open interest", nullable=False)
    n_without_iv = count("of these, contracts without any volatility: not in the sums", nullable=False)
