"""Table of the nightly falsification: do the engines' predictions show in what happened afterwards?"""

from __future__ import annotations

from gnosis.tables.dictionary import Origin, SymbolSession, count, day, instant, label, number, text
from gnosis.tables.greeks import SIGN_CONVENTIONS

CALIBRATION_TESTS = ["range_on_amplification", "range_on_gamma_pressure", "volatility_across_flip", "wall_hold_rate"]


class EnginesCalibration(SymbolSession, Origin):
    """What the sessions up to this one say about the engines, published whatever the result."""

    sign_convention = label(SIGN_CONVENTIONS, "assumed dealer side", nullable=False, primary_key=True)
    test = label(CALIBRATION_TESTS, "what was tested", nullable=False, primary_key=True)
    as_of = instant("knowledge cut-off of the row")
    first_session = day("first session predicted from", nullable=True)
    n = count("pairs of prediction and outcome", nullable=False)
    lags = count("lags of the Newey-West covariance", nullable=False)
    estimate = number("outcome per unit of prediction", "slope, or difference of means with volatility held fixed")
    standard_error = number("outcome per unit of prediction", "Newey-West standard error", min=0)
    t_statistic = number("ratio", "estimate over its standard error")
    p_value = number("probability", "two-sided, normal", min=0, max=1)
    interval_low = number("outcome per unit of prediction", "lower end of the 95 % interval")
    interval_high = number("outcome per unit of prediction", "upper end of the 95 % interval")
    r_squared = number("ratio", "explained share of the variance; regressions only", max=1)
    mean_treated = number("outcome", "mean outcome below the flip, or hold rate of walls; comparisons only")
    mean_reference = number("outcome", "mean outcome above the flip, or hold rate of placebo strikes; comparisons only")
    verdict = label(
        ["too_few", "no_effect", "as_predicted", "against_prediction"],
        "by the 95 % interval: contains 0, or lies on the side that the engine predicts, or on the other",
        nullable=False,
    )
    reasons = text("reason codes joined by ','; empty when there is nothing to say")
