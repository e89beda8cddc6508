"""Tables of the greeks room: forwards, volatility, its surface, sensitivities and dealer exposures."""

from __future__ import annotations

from gnosis.tables.dictionary import (
    Origin,
    count,
    day,
    flag,
    instant,
    label,
    number,
    numbers,
    text,
)

SIGN_CONVENTIONS = ["naive", "customer_long", "inverted", "flow_signed", "open_close"]
EXPIRY_BUCKETS = ["0-1", "2-7", "8-35", "36+"]
EXPIRY_SETS = ["0dte", "next_weekly", "next_monthly", "all"]
REVALUATIONS = ["sticky_moneyness", "sticky_strike"]
QUOTE_REASONS = [
    "settled",
    "no_rate",
    "adjusted",
    "repeated",
    "stale",
    "late",
    "zero_bid",
    "crossed",
    "wide",
    "no_forward",
    "bound",
    "no_time_value",
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
    style = label(["A", "E"], "American or European exercise", nullable=False)
    forward = number("$", "forward price for the expiry")
    forward_source = label(["parity", "carry"], "put-call parity, or rates and declared dividends")
    discount = number("ratio", "discount factor to settlement: exp(-r tau), r from Treasury yields", min_exclusive=0)
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
    iv_bid = number("1/sqrt(year)", "volatility of the bid of the quote behind iv; own volatilities only", min=0)
    iv_ask = number("1/sqrt(year)", "volatility of the ask of the quote behind iv; own volatilities only", min=0)
    iv_error = number("1/sqrt(year)", "bound on the rounding error of iv; own volatilities only", min=0)
    exercise_model = label(
        ["closed_form", "tree"],
        "how the price became iv: European closed form, or American Leisen-Reimer tree; own volatilities only",
    )
    reason = label(
        QUOTE_REASONS,
        "first cleaning rule that the row broke, null when none; its quote is then not used, except for oi_missing",
    )
    is_vertical = flag("true when a vertical spread with this quote could be sold for more than it can ever be worth")
    is_butterfly = flag("true when a butterfly around this quote could be bought for less than nothing")
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
    deliverable_shares = number("shares", "shares that one contract delivers; not the multiplier when adjusted")


class GreeksForwards(Origin):
    """Forward, discount factor and carry of every expiry; morning- and afternoon-settled roots apart."""

    session = day("exchange session of the snapshot", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    expiry = day("expiry date of the contracts", primary_key=True)
    settlement = label(["am", "pm"], "morning or afternoon settlement", nullable=False, primary_key=True)
    root = text("option root as listed", primary_key=True)
    ts = instant("latest quote instant of the expiry")
    settles_at = instant("settlement instant: close of the last session (pm) or its opening (am)")
    spot = number("$", "price of the underlying at ts", nullable=False)
    style = label(["A", "E"], "American or European exercise", nullable=False)
    tau_years = number("years", "time from ts to settlement, ACT/365F, floor one hour", nullable=False)
    dte_days = count("expiry date minus session date", unit="calendar days", nullable=False)
    rate_per_year = number("1/year", "continuously compounded Treasury rate to settlement, as known at ts")
    discount = number("ratio", "exp(-r tau)", min_exclusive=0)
    forward = number("$", "forward price in use", min_exclusive=0)
    forward_source = label(["parity", "carry"], "put-call parity, or rates and declared dividends")
    parity_forward = number("$", "weighted median of K + (C - P)/DF, whether in use or not", min_exclusive=0)
    parity_forward_se = number("$", "its standard error; above 0.5 % of spot it is not used", min=0)
    n_pairs = count("pairs of call and put behind the parity forward", nullable=False)
    n_deamericanised = count("of these, pairs whose early-exercise premium was taken off first", nullable=False)
    dividends_usd = number("$ per share", "present value of declared dividends with ex-date up to expiry", min=0)
    carry_implied_per_year = number("1/year", "r - ln(F/S)/tau; null below seven days, where it is noise")
    discount_regression = number("ratio", "minus the slope of C - P on K; European, 30 days and more", min_exclusive=0)
    discount_gap_per_year = number("1/year", "rate of the regression minus rate of the curve")
    discount_gap_se_per_year = number("1/year", "its standard error, from the spreads of the pairs", min=0)
    n_contracts = count("quoted contracts", nullable=False)
    n_accepted_strikes = count("strikes with a volatility of their own", nullable=False)


class GreeksSurface(Origin):
    """Volatility surface: one SVI slice per expiry in raw and jump-wing form, with the SSVI slice it started from."""

    session = day("exchange session of the snapshot", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    expiry = day("expiry date of the slice", primary_key=True)
    settlement = label(["am", "pm"], "morning or afternoon settlement", nullable=False, primary_key=True)
    root = text("option root as listed", primary_key=True)
    slice_number = count("position of the slice by time to settlement, from 1", nullable=False, min=1)
    certificate = label(
        ["passed", "failed"],
        "of the whole surface; a failed one must not be used where a density is needed",
        nullable=False,
    )
    model = label(["svi", "ssvi"], "refined slice, or the SSVI slice where refinement was not possible", nullable=False)
    spot = number("$", "price of the underlying at the quote instant", nullable=False)
    tau_years = number("years", "time to settlement, ACT/365F", nullable=False)
    forward = number("$", "forward price for the expiry", nullable=False)
    discount = number("ratio", "discount factor to settlement", nullable=False)
    svi_a = number("variance", "raw SVI a: w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + s^2))", nullable=False)
    svi_b = number("variance", "raw SVI b", nullable=False, min=0)
    svi_rho = number("ratio", "raw SVI rho", nullable=False)
    svi_m = number("log-moneyness", "raw SVI m", nullable=False)
    svi_s = number("log-moneyness", "raw SVI s", nullable=False, min_exclusive=0)
    ssvi_theta = number("variance", "at-the-money total variance of the SSVI fit", nullable=False, min_exclusive=0)
    ssvi_rho = number("ratio", "SSVI rho, one for all slices", nullable=False)
    ssvi_eta = number("ratio", "SSVI eta of phi = eta/(theta^gamma (1 + theta)^(1 - gamma))", nullable=False)
    ssvi_gamma = number("ratio", "SSVI gamma, one for all slices", nullable=False)
    jw_v = number("1/year", "SVI-JW at-the-money variance w(0)/tau", nullable=False)
    jw_psi = number("ratio", "SVI-JW at-the-money skew", nullable=False)
    jw_p = number("ratio", "SVI-JW left wing slope", nullable=False)
    jw_c = number("ratio", "SVI-JW right wing slope", nullable=False)
    jw_v_min = number("1/year", "SVI-JW least variance", nullable=False)
    atm_iv = number("1/sqrt(year)", "volatility at K = F", nullable=False, min_exclusive=0)
    log_moneyness_low = number("log-moneyness", "lowest accepted ln(K/F); null without any")
    log_moneyness_high = number("log-moneyness", "highest accepted ln(K/F); null without any")
    n_quotes = count("accepted strikes behind the slice", nullable=False)


class GreeksSurfaceCertificate(Origin):
    """Whether a surface is free of arbitrage and how well it fits: one row per slice and one for the whole."""

    session = day("exchange session of the snapshot", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    slice_number = count("0 for the whole surface, else the slice of greeks.surface", primary_key=True, nullable=False)
    expiry = day("expiry date of the slice; null for the whole", nullable=True)
    settlement = label(["am", "pm"], "settlement of the slice; null for the whole")
    root = text("root of the slice; null for the whole", nullable=True)
    certificate = label(["passed", "failed"], "passed when every rule holds", nullable=False)
    failed_rules = text("names of the columns whose rule fails, joined by ','; empty when none", nullable=False)
    min_g = number("ratio", "least g(k), the sign of the density; rule: >= 0", nullable=False)
    argmin_g = number("log-moneyness", "where g is least", nullable=False)
    wing_left = number("ratio", "b (1 - rho); rule: < 2", nullable=False)
    wing_right = number("ratio", "b (1 + rho); rule: < 2", nullable=False)
    g_limit_left = number("ratio", "limit of g: 1/4 - wing_left^2/16; rule: >= 0", nullable=False)
    g_limit_right = number("ratio", "limit of g: 1/4 - wing_right^2/16; rule: >= 0", nullable=False)
    density_mass = number("ratio", "integral of the density; rule: 1 within 1e-4", nullable=False)
    density_mean = number("ratio", "integral of e^k times the density; rule: 1 within 1e-4", nullable=False)
    min_calendar_gap = number(
        "variance", "least w of the next slice minus w of this one; rule: >= -1e-10; null for the last slice"
    )
    share_inside = number(
        "ratio", "share of accepted quotes with the model price within bid and ask; rule: >= least_share_inside"
    )
    least_share_inside = number("ratio", "setting: share of quotes to be met", nullable=False, min=0, max=1)
    worst_miss_half_spreads = number("half spreads", "largest |model - mid| over half the spread")
    rmse_vol_points = number("vol points", "weighted root mean square error of the volatility")
    n_quotes = count("accepted quotes", nullable=False)
    n_rejected_by_code = text("rejected contracts by reason as JSON", nullable=False)


class GreeksExposure(Origin):
    """Dealer exposures by strike, expiry bucket and sign convention; sums of these rows are the totals."""

    session = day("exchange session of the snapshot", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    sign_convention = label(
        SIGN_CONVENTIONS,
        "assumption on which side dealers hold",
        nullable=False,
        primary_key=True,
    )
    expiry_bucket = label(EXPIRY_BUCKETS, "calendar days to expiry", nullable=False, primary_key=True)
    strike = number("$", "strike price", nullable=False, primary_key=True)
    spot = number("$", "price of the underlying at the quote instant", nullable=False)
    dealer_gamma_shares_per_usd = number("shares per $", "sum of x gamma OI M", nullable=False)
    gex_usd_per_usd = number("$ per $", "dealer gamma exposure: sum of x gamma OI M S", nullable=False)
    gex_usd_per_pct = number("$ per 1 % move", "dealer gamma exposure: sum of x gamma OI M S^2 0.01", nullable=False)
    dex_usd = number("$", "dealer delta exposure", nullable=False)
    vex_usd_per_volpt = number("$ of delta per vol point", "dealer vanna exposure", nullable=False)
    cex_usd_per_day = number("$ of delta per calendar day", "dealer charm exposure", nullable=False)
    vega_usd_per_volpt = number("$ per vol point", "dealer vega exposure", nullable=False)
    vomma_usd_per_volpt2 = number("$ of vega per vol point, per vol point", "dealer vomma exposure", nullable=False)
    speed_usd_per_pct2 = number("$ per (1 %)^2", "dealer speed exposure", nullable=False)
    zomma_usd_per_pct_volpt = number("$ per 1 % per vol point", "dealer zomma exposure", nullable=False)
    open_interest = number("contracts", "open interest in the sums", nullable=False, min=0)
    n_contracts = count("contracts with open interest", nullable=False)
    n_without_iv = count("of these, contracts without volatility or forward: not in the sums", nullable=False)


class GreeksLevels(Origin):
    """Net exposure of a symbol with its band, the zero-gamma spots and the walls, by expiry set and convention."""

    session = day("exchange session of the snapshot", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    expiry_set = label(EXPIRY_SETS, "expiries in the sums", nullable=False, primary_key=True)
    sign_convention = label(SIGN_CONVENTIONS, "assumption on which side dealers hold", nullable=False, primary_key=True)
    revaluation = label(REVALUATIONS, "how volatility follows a hypothetical spot", nullable=False)
    spot = number("$", "price of the underlying at the latest quote", nullable=False)
    atm_iv = number("1/sqrt(year)", "volatility at K = F of the expiry nearest to 30 days", min_exclusive=0)
    gex_usd_per_pct = number("$ per 1 % move", "net dealer gamma exposure under the convention")
    dex_usd = number("$", "net dealer delta exposure under the convention")
    vex_usd_per_volpt = number("$ of delta per vol point", "net dealer vanna exposure under the convention")
    cex_usd_per_day = number("$ of delta per calendar day", "net dealer charm exposure under the convention")
    gex_p10_usd_per_pct = number("$ per 1 % move", "10th percentile of gex under the prior of dealer sides")
    gex_p50_usd_per_pct = number("$ per 1 % move", "median of gex under the prior of dealer sides")
    gex_p90_usd_per_pct = number("$ per 1 % move", "90th percentile of gex under the prior of dealer sides")
    gex_bound_usd_per_pct = number("$ per 1 % move", "hard bound: |gex| whoever holds what", min=0)
    gex_positive_probability = number("probability", "P(gex > 0) under the prior", min=0, max=1)
    dex_p10_usd = number("$", "10th percentile of dex under the prior of dealer sides")
    dex_p50_usd = number("$", "median of dex under the prior of dealer sides")
    dex_p90_usd = number("$", "90th percentile of dex under the prior of dealer sides")
    dex_bound_usd = number("$", "hard bound: |dex| whoever holds what", min=0)
    dex_positive_probability = number("probability", "P(dex > 0) under the prior", min=0, max=1)
    vex_p10_usd_per_volpt = number("$ of delta per vol point", "10th percentile of vex under the prior of dealer sides")
    vex_p50_usd_per_volpt = number("$ of delta per vol point", "median of vex under the prior of dealer sides")
    vex_p90_usd_per_volpt = number("$ of delta per vol point", "90th percentile of vex under the prior of dealer sides")
    vex_bound_usd_per_volpt = number("$ of delta per vol point", "hard bound: |vex| whoever holds what", min=0)
    vex_positive_probability = number("probability", "P(vex > 0) under the prior", min=0, max=1)
    cex_p10_usd_per_day = number(
        "$ of delta per calendar day", "10th percentile of cex under the prior of dealer sides"
    )
    cex_p50_usd_per_day = number("$ of delta per calendar day", "median of cex under the prior of dealer sides")
    cex_p90_usd_per_day = number(
        "$ of delta per calendar day", "90th percentile of cex under the prior of dealer sides"
    )
    cex_bound_usd_per_day = number("$ of delta per calendar day", "hard bound: |cex| whoever holds what", min=0)
    cex_positive_probability = number("probability", "P(cex > 0) under the prior", min=0, max=1)
    gex_sign = label(["positive", "negative", "undetermined"], "undetermined when 0 lies inside (p10, p90)")
    prior_mean = number("ratio", "|m| of the prior of dealer sides: 0.5 x naive for index and ETF, 0 for single names")
    prior_sd = number("ratio", "s of the prior of dealer sides", min=0)
    prior_correlation = number("ratio", "rho of the prior: correlation of the sides within a group", min=0, max=1)
    flips = numbers("$", "every sign change of dealer gamma on the nodes of [0.8 S, 1.2 S], ascending")
    n_flips = count("zero-gamma spots", nullable=True)
    nearest_flip = number("$", "zero-gamma spot nearest to spot; the lower of two as near", min_exclusive=0)
    flip_distance_sd = number("daily standard deviations", "ln(S/nearest_flip)/(atm_iv sqrt(1/252))")
    flip_zone_low = number("$", "lower end of the interval around nearest_flip where 0.1 < P(net > 0) < 0.9")
    flip_zone_high = number("$", "its upper end")
    profile_sign = count("sign of dealer gamma that never changes; 0 when nil; null with a flip", min=-1, max=1)
    call_wall = number("$", "strike at or above spot with the largest positive call GEX")
    call_wall_share = number("ratio", "share of draws of the prior with the call wall there", min=0, max=1)
    put_wall = number("$", "strike at or below spot with the most negative put GEX")
    put_wall_share = number("ratio", "share of draws of the prior with the put wall there", min=0, max=1)
    gamma_wall = number("$", "strike with the largest absolute net GEX")
    gamma_wall_share = number("ratio", "share of draws of the prior with the gamma wall there", min=0, max=1)
    oi_wall = number("$", "strike with the largest open interest")
    open_interest = number("contracts", "open interest in the sums", nullable=False, min=0)
    oi_age_sessions = number("sessions", "mean age of that open interest, weighted by it; 1 is the freshest", min=0)
    n_contracts = count("contracts with open interest", nullable=False)
    n_without_iv = count("of these, contracts without volatility or forward: not in the sums", nullable=False)
    reasons = text("codes of what limits the row, joined by ','; empty when nothing does", nullable=False)
