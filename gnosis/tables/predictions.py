"""Table of the predictions, published once."""

from __future__ import annotations

from gnosis.tables.dictionary import Origin, count, day, flag, instant, label, number, text

ABSTAIN_REASONS = ["no_model", "too_many_missing", "stale_inputs", "ood"]


class ModelsPredictions(Origin):
    """One out-of-sample prediction per symbol, session and horizon, published once."""

    session = day("session at whose close the prediction was made", primary_key=True)
    symbol = text("symbol of the underlying", primary_key=True)
    horizon_bars = count("horizon", unit="sessions", nullable=False, primary_key=True)
    prediction_id = text("hash of key, model version and feature row")
    as_of = instant("knowledge cut-off of the features")
    model_name = text("kind of the published model")
    model_version = text("version of the model of the direction", nullable=True)
    p_down = number("probability", "of a fall beyond the dead zone, calibrated", min=0, max=1)
    p_flat = number("probability", "of a move inside the dead zone, calibrated", min=0, max=1)
    p_up = number("probability", "of a rise beyond the dead zone, calibrated", min=0, max=1)
    p_down_raw = number("probability", "of a fall, before calibration", min=0, max=1)
    p_flat_raw = number("probability", "of a small move, before calibration", min=0, max=1)
    p_up_raw = number("probability", "of a rise, before calibration", min=0, max=1)
    p_up_low = number(
        "probability", "low end of the 95 % interval of p_up by the number of calibration rows like it", min=0, max=1
    )
    p_up_high = number("probability", "upper end of the same: p_up lies between the two", min=0, max=1)
    mag_p0 = number("probability", "of a small absolute return, calibrated", min=0, max=1)
    mag_p1 = number("probability", "of a middling absolute return, calibrated", min=0, max=1)
    mag_p2 = number("probability", "of a large absolute return, calibrated", min=0, max=1)
    r_hat = number("log return", "expected over the horizon from the next open")
    r_hat_se = number("log return", "standard error of r_hat as a forecast", min=0)
    sigma_hat = number("1/sqrt(year)", "volatility expected over the horizon", min=0)
    p_meta = number("probability", "that the primary side earns more than its costs; null without a side", min=0, max=1)
    label_spec = text("what the probabilities are about")
    calibrator_id = text("calibrator of the direction", nullable=True)
    confidence = number("ratio", "data quality of the feature row, not of the odds", min=0, max=1)
    n_missing = count("features missing in the row", nullable=False)
    ood_score = number("ratio", "share of the known features outside the 0.1 to 99.9 % range of training", min=0, max=1)
    is_promoted = flag("true when the model is the champion; others may feed simulation only")
    model_state = label(["ok", "degraded", "stale"], "of the model by the drift of the session before", nullable=True)
    abstain_reason = label(ABSTAIN_REASONS, "why there are no probabilities")
    feature_row_sha256 = text("hash of the feature values and their missing mask")
    model_sha256 = text("hash of the model of the direction", nullable=True)
    code_sha256 = text("hash of the code that trained the model and made the prediction")
