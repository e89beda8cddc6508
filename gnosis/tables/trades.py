"""Tables of the trades room: votes, compositions, simulations and ideas as they were published."""

from __future__ import annotations

import dataframely as dy

from gnosis.tables.dictionary import Origin, SymbolSession, count, day, flag, instant, label, number, text

POLICIES = ["hedge", "liquidity", "sentiment", "ml", "risk"]
ACTIONS = ["AVOID", "NEUTRAL", "LONG", "SHORT", "RANGE"]
CONVICTIONS = ["unknown", "none", "weak", "moderate", "strong"]
INSTRUMENTS = ["shares", "options"]
STATUSES = ["sized", "rejected"]
CAPS = ["name", "gross", "net", "sector", "participation", "worst_loss", "stress", "margin"]
PATH_MODELS = ["gbm", "fhs", "t_jump"]
VETOES = [
    "NO_VOTE",
    "NO_VOLATILITY",
    "NO_COST",
    "NO_VOLUME",
    "STORM",
    "THIN_DATA",
    "SUSPENDED",
    "RISK_VETO",
    "KILL_SWITCH",
    "NO_EDGE",
    "ZERO_SIZE",
    "CAP_BREACH",
    "STALE_QUOTE",
    "STALE_CHAIN",
    "STALE_MODEL",
    "CROSSED_OR_EMPTY_QUOTE",
    "UNSTABLE_SHORT_GAMMA",
    "LIQ_CRISIS",
    "VOL_CEILING",
    "EVENT_WINDOW",
    "UNDEFINED_RISK",
    "TOO_MANY",
    "BORROW",
    "PIN_WINDOW",
]
"""Why nothing is held. The first four are found before a candidate exists; a family without skill is SUSPENDED."""


class TradesPolicyVotes(SymbolSession, Origin):
    """What each policy says of a rise over the horizon, with its inputs and what it has learned from."""

    policy = label(POLICIES, "who votes; risk never votes on direction", nullable=False, primary_key=True)
    as_of = instant("moment of the decision: nothing known later is used")
    horizon_bars = count("sessions that the vote is about", unit="sessions", nullable=False)
    p_up = number("probability", "of a rise rather than a fall; null when the policy does not vote", min=0, max=1)
    log_odds_se = number("log odds", "standard error of the log odds of p_up", min=0)
    magnitude = number("ratio", "expected absolute move in units of sigma_t sqrt(horizon)", min=0)
    confidence = number("ratio", "quality of the data behind the vote, not strength of the signal", min=0, max=1)
    policy_veto = text("why the risk policy forbids any idea; null when it does not", nullable=True)
    size_multiplier = number("ratio", "factor of every size by the risk policy; null for the others", min=0, max=1)
    inputs = dy.List(
        dy.Float64(nullable=True),
        nullable=True,
        metadata={"unit": "as the inputs"},
        description="values of the policy's inputs in the order of docs/trading.md, null where missing",
    )
    learned_through = day("last session whose outcomes could be learned from; null without learning", nullable=True)
    n_learned = count("outcomes learned from")
    reasons = text("codes with their values, joined by ','", nullable=True)


class TradesCompositions(SymbolSession, Origin):
    """The votes of a decision in one number, with the prior and the learned weight of each policy."""

    as_of = instant("moment of the decision")
    horizon_bars = count("sessions that the odds are about", unit="sessions", nullable=False)
    z = number("log odds", "sum of the contributions; null when no policy voted")
    z_se = number("log odds", "standard error of z from those of the votes", min=0)
    p_dir = number("probability", "of a rise rather than a fall", min=0, max=1)
    contribution_hedge = number("log odds", "weight x confidence x log odds of the hedge policy")
    contribution_liquidity = number("log odds", "the same of the liquidity policy")
    contribution_sentiment = number("log odds", "the same of the sentiment policy")
    contribution_ml = number("log odds", "the same of the model")
    prior_hedge = number("ratio", "weight of the hedge policy before any evidence", min=0)
    prior_liquidity = number("ratio", "the same of the liquidity policy", min=0)
    prior_sentiment = number("ratio", "the same of the sentiment policy", min=0)
    prior_ml = number("ratio", "the same of the model: above 0 when it is promoted", min=0)
    weight_hedge = number("ratio", "weight of the hedge policy in force", min=0)
    weight_liquidity = number("ratio", "the same of the liquidity policy", min=0)
    weight_sentiment = number("ratio", "the same of the sentiment policy", min=0)
    weight_ml = number("ratio", "the same of the model", min=0)
    penalty = number("count", "observations that the prior is worth; null while it stands alone", min=0)
    n_outcomes = count("outcomes that the weights were learned from", nullable=False)
    learned_through = day("last session whose outcomes could be learned from")
    disagreement = number("log odds", "weighted standard deviation of the log odds of the votes", min=0)
    disagreement_rank = number("ratio", "place of it among those of the 252 sessions before", min=0, max=1)
    confidence = number("ratio", "weighted mean confidence; absent policies count as 0", min=0, max=1)
    conviction = label(CONVICTIONS, "place of |z| among those of the universe over 252 sessions", nullable=False)
    action = label(ACTIONS, "what follows for the underlying", nullable=False)


class TradesSimulations(SymbolSession, Origin):
    """What 8,000 paths of a candidate came to: odds of its event, profit after costs, and how sure both are."""

    instrument = label(INSTRUMENTS, "in what the candidate is held", nullable=False, primary_key=True)
    idea_id = text("identifier of the idea")
    as_of = instant("moment of the decision")
    path_model = label(PATH_MODELS, "how one bar moves; t_jump where fhs had too few residuals", nullable=False)
    seed = text("seed of the paths, decimal")
    n_paths = count("paths, in antithetic pairs", nullable=False)
    horizon_bars = count("sessions of a path", unit="sessions", nullable=False)
    drift_per_bar = number("log return", "mean log return of a session", nullable=False)
    sigma_per_bar = number("1/sqrt(session)", "volatility of a session", nullable=False, min=0)
    entry_cost = number("ratio", "cost of the entry per unit notional", min=0)
    exit_cost = number("ratio", "cost of the exit per unit notional", min=0)
    borrow_per_bar = number("ratio", "borrow per session held and unit notional", min=0)
    p_target = number("probability", "of the target first", nullable=False, min=0, max=1)
    p_target_se = number("probability", "standard error of the simulation", min=0)
    p_stop = number("probability", "of the stop first", nullable=False, min=0, max=1)
    p_stop_se = number("probability", "standard error of the simulation", min=0)
    p_horizon = number("probability", "of neither", nullable=False, min=0, max=1)
    p_horizon_se = number("probability", "standard error of the simulation", min=0)
    expectancy = number("ratio", "mean profit after costs per unit notional, before the map of earlier odds")
    expectancy_se = number("ratio", "standard error of the simulation", min=0)
    return_q01 = number("ratio", "quantile of the profit per unit notional")
    return_q05 = number("ratio", "quantile of the profit per unit notional")
    return_q25 = number("ratio", "quantile of the profit per unit notional")
    return_q50 = number("ratio", "quantile of the profit per unit notional")
    return_q75 = number("ratio", "quantile of the profit per unit notional")
    return_q95 = number("ratio", "quantile of the profit per unit notional")
    return_q99 = number("ratio", "quantile of the profit per unit notional")
    var_95_usd = number("$", "95 % quantile of the loss at the idea's quantity")
    cvar_95_usd = number("$", "mean loss beyond it at the idea's quantity")
    bars_held = number("sessions", "mean holding time", min=0)
    adverse_log_median = number("log return", "median of the worst move against the side while held", min=0)


class TradesIdeas(SymbolSession, Origin):
    """What to do from the next open: side, odds, size and reasons; also what is left alone, and why. Never changed."""

    instrument = label(INSTRUMENTS, "in what the idea is held", nullable=False, primary_key=True)
    idea_id = text("SHA-256 of symbol, as_of, horizon, structure, event, model version and settings")
    as_of = instant("moment of the decision: nothing known later is used")
    horizon_bars = count("sessions after which the position is closed at the latest", unit="sessions", nullable=False)
    structure = text(
        "shares_long, shares_short, or the name of an options structure; null without a candidate", nullable=True
    )
    side = label(["long", "flat", "short"], "side to hold from the next open", nullable=False)
    action = label(ACTIONS, "what the composer decided for the symbol", nullable=False)
    status = label(STATUSES, "sized: to be held; rejected: kept back for its reasons", nullable=False)
    veto = label(VETOES, "first reason for which nothing is held; null when something is")
    reasons = text("codes of all reasons against it, joined by ','", nullable=True)
    warnings = text("codes of all warnings, joined by ','", nullable=True)
    target_weight = number("share of equity", "signed position to hold from the next open", nullable=False)
    quantity = count("signed number of shares, or of units of the structure", unit="units", nullable=False, min=None)
    unit_usd = number("$", "price of one unit at the decision", min=0)
    target_log = number("log return", "of the price from the next open to the target, signed by direction of the price")
    stop_log = number("log return", "of the price from the next open to the stop, signed by direction of the price")
    target_usd = number("$", "profit of one unit at which a structure is closed", min=0)
    stop_usd = number("$", "profit of one unit, negative, at which a structure is closed", max=0)
    p_raw = number("probability", "of the target before the stop within the horizon, by the simulation", min=0, max=1)
    p_event = number("probability", "p_raw after the map of earlier odds", min=0, max=1)
    p_low = number("probability", "lower end of the 80 % interval of p_event", min=0, max=1)
    p_high = number("probability", "upper end of the 80 % interval of p_event", min=0, max=1)
    p_baseline = number("probability", "of the event without any view", min=0, max=1)
    map_intercept = number("log odds", "intercept of the map of earlier odds")
    map_slope = number("ratio", "slope of the map of earlier odds", min=0)
    map_n_ideas = count("resolved ideas behind the map")
    p_up = number("probability", "the model's of a rise beyond the dead zone", min=0, max=1)
    p_down = number("probability", "the model's of a fall beyond the dead zone", min=0, max=1)
    edge = number("probability", "p_up - p_down of the model", min=-1, max=1)
    z = number("log odds", "of a rise by the composer")
    conviction = label(CONVICTIONS, "place of |z| among those of the universe", nullable=False)
    confidence = number("ratio", "quality of the data behind the votes", min=0, max=1)
    gross_edge = number("ratio", "mean profit before costs per unit notional")
    net_edge = number("ratio", "mean profit after costs per unit notional, by the calibrated odds")
    net_edge_se = number("ratio", "standard error of net_edge by that of the odds", min=0)
    cost_estimate = number("ratio", "spread, impact and fees of entry and exit per unit notional", min=0)
    capacity_usd = number("$", "largest order whose net edge is positive", min=0)
    sigma_per_bar = number("1/sqrt(session)", "volatility of a session, the scale of the labels", min=0)
    volatility_per_year = number("1/sqrt(year)", "volatility that the size rests on", min=0)
    kelly_fraction = number("share of equity", "growth-optimal notional", min=0)
    estimation_shrinkage = number("ratio", "what is left of it because the edge is estimated", min=0, max=1)
    kelly_share = number("ratio", "share of it that is taken", min=0, max=1)
    volatility_fraction = number("share of equity", "notional that spends the idea's share of the risk", min=0)
    energy_factor = number("ratio", "median movement energy over today's, at most 1", min=0, max=1)
    size_multiplier = number("ratio", "of the risk policy", min=0, max=1)
    fraction = number("share of equity", "notional before the caps", min=0)
    size_after_name = number("share of equity", "after the cap of one name", min=0)
    size_after_gross = number("share of equity", "after the cap of the gross", min=0)
    size_after_net = number("share of equity", "after the cap of the net", min=0)
    size_after_sector = number("share of equity", "after the cap of a sector", min=0)
    size_after_participation = number("share of equity", "after the cap of the daily volume", min=0)
    size_after_worst_loss = number("share of equity", "after the cap of the worst loss", min=0)
    size_after_stress = number("share of equity", "after the cap of the stress loss", min=0)
    size_after_margin = number("share of equity", "after the cap of the margin", min=0)
    size_after_together = number("share of equity", "when all caps hold at once", min=0)
    portfolio_scale = number(
        "ratio", "factor that keeps the volatility of the book; null without returns", min=0, max=1
    )
    size_after_lot = number("share of equity", "after rounding to lots", min=0)
    binding_cap = label(CAPS, "last cap that shortened the size")
    rationale = text("one sentence for a person, rendered from the reasons")
    thesis_wrong_if = text("what would prove the idea wrong", nullable=True)
    regime = text("amplification regime at the decision", nullable=True)
    policies = text("policies that voted with a weight above 0, joined by '+'; null without a vote", nullable=True)
    model_version = text("version of the model behind its vote", nullable=True)
    prediction_id = text("identifier of the prediction row", nullable=True)
    feature_row_sha256 = text("hash of the feature row", nullable=True)
    parameters_sha256 = text("hash of all settings and limits")
    is_research_only = flag("true unless a promoted model voted: such ideas can reach simulation only")


class TradesLineage(Origin):
    """Which rows each row behind an idea was made from, down to the raw rows; read it with ``lineage(idea_id)``."""

    session = day("session of the idea", primary_key=True)
    idea_id = text("identifier of the idea", primary_key=True)
    depth = count("steps from the idea", nullable=False)
    child_table = text("table of the row that was made", primary_key=True)
    child_row = text("key of that row as JSON", primary_key=True)
    parent_table = text("table of a row it was made from", primary_key=True)
    parent_row = text("key of the row, or of the rows, as JSON", primary_key=True)
    parent_rows = count("rows that the key names", nullable=False)
    parent_known_at = instant("when the newest of them was known: never after the decision", nullable=True)
    parent_sha256 = text("hash of their content")


class TradesLegs(SymbolSession, Origin):
    """The legs of an idea with the quote row that each cites and the price it would pay."""

    instrument = label(INSTRUMENTS, "in what the idea is held", nullable=False, primary_key=True)
    leg = count("number of the leg from 1, options first", nullable=False, primary_key=True, min=1)
    idea_id = text("identifier of the idea")
    right = label(["C", "P", "S"], "call, put, or shares", nullable=False)
    quantity = count("signed units in one unit of the idea", unit="contracts or shares", nullable=False, min=None)
    multiplier = number("shares", "shares per contract; 1 for shares", nullable=False, min=0)
    expiry = day("expiry of the contract; null for shares", nullable=True)
    settlement = text("settlement of the contract; null for shares", nullable=True)
    root = text("root of the contract; null for shares", nullable=True)
    strike = number("$", "strike of the contract; null for shares", min=0)
    bid = number("$", "quoted bid; null for shares", min=0)
    ask = number("$", "quoted ask; null for shares", min=0)
    price_usd = number("$", "price paid or received for one share of the leg", nullable=False, min=0)
    iv = number("1/sqrt(year)", "volatility of the surface at the strike; null for shares", min=0)
    delta = number("shares", "delta of one share of the leg")
    quote_row = text("key of the cited row of raw.option_quotes, or of raw.equity_bars, as JSON")
    quote_sha256 = text("hash of the cited row")
