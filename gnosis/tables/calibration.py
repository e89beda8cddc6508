"""Tables of the calibration ledger: the odds of every idea as they were stated, what became of it, and the scores."""

from __future__ import annotations

import dataframely as dy

from gnosis.tables.dictionary import Origin, Table, count, day, flag, instant, label, number, text

OUTCOMES = ["target", "stop", "horizon"]
UNRESOLVABLE = ["gap", "halted"]
SCOPES = ["all", "model", "structure", "horizon", "regime", "policies"]
STATISTICS = [
    "n",
    "happened",
    "brier",
    "brier_baseline",
    "skill",
    "log_score",
    "slope",
    "slope_raw",
    "coverage",
    "predicted",
    "observed",
]


class TradesCalibration(Origin):
    """The odds of every idea, written down before and scored for ever: one row at birth, a second when it resolves."""

    sequence = count("number of the row in the order of writing", nullable=False, min=1, primary_key=True)
    session = day("session of the decision; of a resolution the one in whose night it became known")
    kind = label(["birth", "resolution"], "what the row tells", nullable=False)
    idea_id = text("identifier of the idea, shared by its two rows")
    symbol = text("instrument of the event")
    horizon_bars = count("sessions after which neither price met counts as no event", unit="sessions", nullable=False)
    as_of = instant("moment of the decision", nullable=True)
    structure = text("structure of the idea", nullable=True)
    side = dy.Int8(nullable=True, min=-1, max=1, metadata={"unit": "class"}, description="1 long, -1 short")
    entry_rule = label(["next_open"], "at which price the idea is entered")
    exit_price_rule = label(
        ["barrier_or_open_beyond"],
        "exit at the price met, at the open where a bar opens beyond it, at the last close when neither was met; the "
        "stop counts when one bar holds both",
    )
    target_log = number("log return", "of the price from the entry to the target, signed by direction of the price")
    stop_log = number("log return", "of the price from the entry to the stop, signed by direction of the price")
    p_raw = number("probability", "of the target before the stop within the horizon, before the map", min=0, max=1)
    p_event = number("probability", "p_raw after the map of earlier odds", min=0, max=1)
    p_low = number("probability", "lower end of the 80 % interval of p_event", min=0, max=1)
    p_high = number("probability", "upper end of the 80 % interval of p_event", min=0, max=1)
    p_baseline = number("probability", "base rate of the event", min=0, max=1)
    resolves_at = instant("close of the last session of the horizon", nullable=True)
    model_version = text("version of the model behind the odds", nullable=True)
    regime = text("regime at the decision; null where none was told", nullable=True)
    policies = text("policies whose votes made the odds, joined by '+'; null where none was told", nullable=True)
    map_intercept = number("log odds", "intercept of the map of earlier odds")
    map_slope = number("ratio", "slope of the map of earlier odds", min=0)
    map_n_ideas = count("resolved ideas behind the map")
    outcome = label(OUTCOMES, "what the price met first; null where bars do not tell")
    reason = label(UNRESOLVABLE, "why the outcome is null")
    is_ambiguous = flag("true when one bar held target and stop, so that the stop was taken", nullable=True)
    entry_price = number("$ forward-adjusted", "open of the session after the decision", min=0)
    exit_price = number("$ forward-adjusted", "price of the exit by the rule", min=0)
    exit_session = day("session that decided", nullable=True)
    previous_sha256 = text("hash of the row before, zeros before the first")
    row_sha256 = text("hash of this row and of the one before")


class TradesCalibrationScores(dy.Schema):
    """What the stated odds were worth so far, by model, structure, horizon and regime."""

    scope = label(SCOPES, "by what the ideas are grouped", nullable=False, primary_key=True)
    group = text("value of the scope", primary_key=True)
    has_ambiguous = flag("true with, false without ideas whose target and stop lay in one bar", primary_key=True)
    statistic = label(STATISTICS, "what is measured", nullable=False, primary_key=True)
    bin = count(
        "bin of the reliability curve from 1; 0 for a figure of the whole group", nullable=False, primary_key=True
    )
    value = number("as the statistic", "scores in squared probability and nats, slopes as ratios")
    low = number("as the statistic", "lower end of the 95 % interval")
    high = number("as the statistic", "upper end of the 95 % interval")
    n = count("resolved ideas behind the figure", nullable=False)
    is_suspended = flag("true when the skill's interval lies below zero after 200 resolved ideas")
    reason = text("why value or interval is null", nullable=True)


CALIBRATION = Table("trades.calibration", TradesCalibration, period="all", is_append_only=True)
CALIBRATION_SCORES = Table("trades.calibration_scores", TradesCalibrationScores, period="all")
