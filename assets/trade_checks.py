"""Checks of the trades room: what an idea states adds up, can be traced, and is made again to the bit."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from assets.checks import Finding, Stored, TableCheck
from assets.night import AGAIN_TAG, CORRECT_TAG
from gnosis import sessions as exchange
from gnosis.tables import TABLES

TOLERANCE = 1e-9
STATED = ("p_raw", "p_event", "p_low", "p_high", "p_baseline", "target_log", "stop_log", "net_edge", "net_edge_se")


def _probabilities(stored: Stored) -> Finding:
    rows = stored.rows.select("policy", "p_up", "confidence", "policy_veto", "size_multiplier").collect()
    outside = rows.filter((pl.col("p_up") <= 0.0) | (pl.col("p_up") >= 1.0)).height
    risk = pl.col("policy") == "risk"
    wrong = rows.filter(
        (risk & (pl.col("p_up").is_not_null() | pl.col("size_multiplier").is_null()))
        | (~risk & (pl.col("policy_veto").is_not_null() | pl.col("size_multiplier").is_not_null()))
    ).height
    return Finding(
        outside == wrong == 0, f"{rows.height} votes, {outside} odds outside (0, 1), {wrong} in the wrong role"
    )


def _confidence_is_of_data(stored: Stored) -> Finding:
    """Confidence must not be a function of how strong a vote is."""
    rows = stored.rows.filter(pl.col("p_up").is_not_null()).select("policy", "p_up", "confidence").collect()
    strong = rows.with_columns(strength=(pl.col("p_up") - 0.5).abs())
    told = strong.group_by("policy").agg(
        n=pl.len(), spread=pl.col("confidence").std(), link=pl.corr("strength", "confidence", method="spearman").abs()
    )
    # A correlation with what never moves is NaN, and says nothing.
    is_tied = pl.col("link").is_finite() & (pl.col("link") > 0.999)
    tied = told.filter((pl.col("n") >= 100) & (pl.col("spread") > 0.0) & is_tied)["policy"].to_list()
    return Finding(not tied, f"{rows.height} votes; confidence follows strength in {tied}")


def _adds_up(stored: Stored) -> Finding:
    parts = ("hedge", "liquidity", "sentiment", "ml")
    total = pl.sum_horizontal(f"contribution_{name}" for name in parts)
    known = stored.rows.filter(pl.col("z").is_not_null())
    worst, n = known.select((total - pl.col("z")).abs().max(), pl.len()).collect().row(0)
    no_weight = known.filter(pl.any_horizontal(pl.col(f"weight_{p}").is_null() for p in parts)).collect().height
    worst = worst or 0.0
    return Finding(worst < TOLERANCE and no_weight == 0, f"{n} compositions, contributions miss z by {worst:.1e}")


def _sums_to_one(stored: Stored) -> Finding:
    total = pl.sum_horizontal("p_target", "p_stop", "p_horizon")
    worst, n = stored.rows.select((total - 1.0).abs().max(), pl.len()).collect().row(0)
    worst = worst or 0.0
    return Finding(worst < TOLERANCE, f"{n} simulations, probabilities miss 1 by {worst:.1e}")


def _complete(stored: Stored) -> Finding:
    """An idea with a candidate states everything; one without says why."""
    rows = stored.rows.collect()
    with_event = rows.filter(pl.col("structure").is_not_null())
    lacking = {name: with_event[name].null_count() for name in STATED if with_event[name].null_count()}
    mute = rows.filter((pl.col("quantity") == 0) & pl.col("veto").is_null()).height
    held = rows.filter(
        (pl.col("quantity") != 0) & (pl.col("veto").is_not_null() | pl.col("structure").is_null())
    ).height
    return Finding(
        not lacking and mute == held == 0,
        f"{rows.height} ideas, {with_event.height} with an event; missing {lacking}, {mute} flat without a reason, "
        f"{held} held against one",
    )


def _event_is_a_label(stored: Stored) -> Finding:
    """Target and stop of shares lie where the registered label has them: one sigma sqrt(h) away."""
    rows = stored.rows.filter(pl.col("instrument") == "shares", pl.col("structure").is_not_null())
    width = pl.col("sigma_per_bar") * pl.col("horizon_bars").sqrt()
    off = pl.max_horizontal(
        (pl.col("target_log").abs() / width - 1).abs(), (pl.col("stop_log").abs() / width - 1).abs()
    )
    worst, n = rows.select(off.max(), pl.len()).collect().row(0)
    worst = worst or 0.0
    return Finding(worst < TOLERANCE, f"{n} events, multiples of the label's width are off by {worst:.1e}")


def _traced(stored: Stored) -> Finding:
    """Every idea with an event reaches features, engines and raw rows; no parent was known after the decision."""
    ideas = stored.lake.scan("trades.ideas", *_span(stored)).filter(pl.col("structure").is_not_null())
    rows = stored.rows.join(ideas.select("idea_id", "as_of"), on="idea_id").collect()
    needed = ["features.matrix", "raw.equity_bars", "trades.policy_votes", "trades.simulations"]
    reached = rows.group_by("idea_id").agg(pl.col("parent_table").unique())
    n_ideas = ideas.select(pl.col("idea_id").n_unique()).collect().item()
    lost = (
        n_ideas
        - reached.filter(pl.all_horizontal(pl.col("parent_table").list.contains(name) for name in needed)).height
    )
    late = rows.filter(pl.col("parent_known_at") > pl.col("as_of")).height
    return Finding(
        lost == late == 0, f"{n_ideas} ideas, {rows.height} edges, {lost} ideas not traced, {late} parents known later"
    )


def _made_again(stored: Stored) -> Finding:
    """Ideas of the newest session just made come out again, to the bit, while the rows that they cite are as they were.

    What was published stays when its inputs are corrected or made anew later: that is told, and nothing is wrong.
    """
    from assets import trades

    if stored.night is None or not stored.sessions:
        return Finding(True, "not looked at outside a run")
    last = stored.sessions[-1]
    again = trades.ideas.in_parts(replace(stored.night, sessions=(last,), made=None))
    kept = {name: stored.lake.read(name, first=last, last=last).sort(TABLES[name].key) for name in trades.MADE}
    made = {name: again[name].frame.sort(TABLES[name].key).select(rows.columns) for name, rows in kept.items()}
    cited = ["child_table", "child_row", "parent_table", "parent_row", "parent_sha256"]
    raw = ~pl.col("parent_table").str.starts_with("trades.")
    before, now = (rows["trades.lineage"].filter(raw).select(cited).unique() for rows in (kept, made))
    changed = before.join(now, on=cited, how="anti")["parent_table"].unique().sort().to_list()
    wrong = [name for name, rows in kept.items() if not rows.equals(made[name], null_equal=True)]
    n = kept["trades.ideas"].height
    if wrong and changed:
        return Finding(True, f"{n} ideas of {last} rest on rows of {changed} that were changed since", {"ideas": n})
    is_corrected = any(tag in stored.night.tags for tag in (AGAIN_TAG, CORRECT_TAG))
    told = f"{n} ideas of {last} made again; other than stored: {wrong}"
    return Finding(not wrong, told, {"ideas": n}, is_tolerable=is_corrected)


def _chained(stored: Stored) -> Finding:
    from gnosis.trading.calibration_ledger import LedgerError, verify_chain

    try:
        n = verify_chain(stored.rows.collect())
    except LedgerError as error:
        return Finding(False, str(error))
    return Finding(True, f"{n} rows in an unbroken chain", {"rows": n})


def _one_birth(stored: Stored) -> Finding:
    born = stored.rows.filter(pl.col("kind") == "birth").select("idea_id").collect()["idea_id"]
    stated = stored.lake.scan("trades.ideas").filter(pl.col("p_event").is_not_null()).select("idea_id").collect()
    missing = stated.filter(~pl.col("idea_id").is_in(born.implode())).height
    twice = born.len() - born.n_unique()
    return Finding(missing == twice == 0, f"{born.len()} births, {missing} ideas without one, {twice} twice")


def _not_early(stored: Stored) -> Finding:
    rows = stored.rows.collect()
    ends = rows.filter(kind="birth").select("idea_id", "resolves_at")
    told = rows.filter(kind="resolution").select("idea_id", "outcome", "known_at").join(ends, on="idea_id", how="left")
    was_hit = pl.col("outcome").is_in(["target", "stop"]).fill_null(False)
    early = told.filter(~was_hit & (pl.col("known_at") < pl.col("resolves_at")))
    orphans = told.filter(
        pl.col("resolves_at_right" if "resolves_at_right" in told.columns else "resolves_at").is_null()
    )
    return Finding(
        early.is_empty() and orphans.is_empty(),
        f"{told.height} resolutions, {early.height} before their time, {orphans.height} without a birth",
    )


def _span(stored: Stored) -> tuple:
    sessions = stored.sessions or exchange.schedule()["session"].to_list()
    return sessions[0], sessions[-1]


TRADES = {
    "trades.policy_votes": [
        TableCheck("odds_and_roles", "Odds lie within (0, 1); only the risk policy vetoes and sizes.", _probabilities),
        TableCheck("confidence_of_data", "Confidence is not a function of |p - 1/2|.", _confidence_is_of_data),
    ],
    "trades.compositions": [TableCheck("adds_up", "Contributions sum to z; weights are stored.", _adds_up)],
    "trades.simulations": [TableCheck("sums_to_one", "Target, stop and horizon have all the odds.", _sums_to_one)],
    "trades.ideas": [
        TableCheck("complete", "Every idea states its event, odds and edge, or why it has none.", _complete),
        TableCheck(
            "event_is_a_label", "The event of an idea in shares is that of a registered label.", _event_is_a_label
        ),
        TableCheck("made_again", "The newest ideas come out again from the rows that they cite.", _made_again),
    ],
    "trades.lineage": [TableCheck("traced", "Every idea is traced to raw rows known before it.", _traced)],
}
CALIBRATION = {
    "trades.calibration": [
        TableCheck("unbroken_chain", "No row was changed, removed or moved since it was written.", _chained),
        TableCheck("one_birth", "Every idea with odds has one birth row.", _one_birth),
        TableCheck("not_early", "Nothing but a price that was met is known before its time.", _not_early),
    ]
}
