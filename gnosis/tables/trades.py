"""Tables of the trades room: ideas as they were published."""

from __future__ import annotations

from gnosis.tables.dictionary import Origin, SymbolSession, instant, label, number, text

VETOES = ["no_prediction", "stale_model", "no_volatility", "no_edge", "storm", "low_confidence"]


class TradesIdeas(SymbolSession, Origin):
    """One idea per symbol and session: side, size and the reasons, decided at the close for the next open."""

    as_of = instant("moment of the decision: the close of the session")
    side = label(["long", "flat", "short"], "side to hold from the next open", nullable=False)
    veto = label(VETOES, "why the side is flat; null when it is not")
    p_up = number(
        "probability",
        "probability of a rise beyond the dead zone",
        min=0,
        max=1,
    )
    p_down = number(
        "probability",
        "probability of a fall beyond the dead zone",
        min=0,
        max=1,
    )
    edge = number("probability", "p_up - p_down", min=-1, max=1)
    horizon_bars = number("sessions", "horizon of the prediction", min=1)
    sigma_d = number("1/sqrt(session)", "daily volatility known at the decision", min=0)
    volatility_scale = number("ratio", "target volatility over the symbol's volatility, capped", min=0)
    energy_scale = number("ratio", "median movement energy over today's, between 0.5 and 1", min=0, max=1)
    model_scale = number("ratio", "0.5 while the model is degraded by drift, else 1", min=0, max=1)
    target_weight = number("share of equity", "signed position to hold from the next open", nullable=False)
    rationale = text("one sentence for a person")
    model_version = text("version of the model behind the odds", nullable=True)
    prediction_id = text("identifier of the prediction row", nullable=True)
