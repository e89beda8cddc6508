"""The ideas of the last session on the terminal: from what the table keeps, with errors that say what exists."""

from __future__ import annotations

import pytest

from gnosis_dagster.ideas import described
from resources.lake import Lake

EVENT = {
    "symbol": "ABC",
    "side": -1,
    "target_weight": -0.125,
    "veto": None,
    "p_event": 0.41,
    "p_low": 0.35,
    "p_high": 0.47,
    "horizon_bars": 5,
    "target_log": -0.02,
    "stop_log": 0.03,
    "rationale": "stiff above",
    "synthetic": False,
}


def test_an_idea_with_an_event_shows_its_interval_and_both_prices():
    first, odds, reasons, wrong = described(EVENT, list(EVENT))
    assert first == "ABC: short 12.50% of equity"
    assert odds == "  odds: target before stop 41.0% within 5 sessions, 80% interval 35.0% to 47.0%"
    assert reasons == "  reasons: stiff above"
    assert "moves +3.05% from the next open before it moves -1.98%" in wrong


def test_odds_that_were_not_stated_are_not_made_up():
    plain = {name: value for name, value in EVENT.items() if name not in ("p_event", "p_low", "p_high", "target_log")}
    row = plain | {"side": "flat", "veto": "NO_VOTE", "p_up": None, "p_down": None, "horizon_bars": None}
    first, odds, _, wrong = described(row, list(row))
    assert first == "ABC: flat, vetoed: NO_VOTE"
    assert (odds, wrong) == ("  odds: none stated", "  wrong if: nothing is claimed")
    unsure = EVENT | {"p_low": None}
    assert "no interval stated" in described(unsure, list(unsure))[1]


def test_a_home_without_ideas_says_what_to_do(tmp_path, command_line):
    said = command_line(tmp_path / "none", "ideas")
    assert said.status == 2
    assert "expected ideas in" in said.err
    assert "run `gnosis run` first" in said.err


@pytest.mark.heavy
@pytest.mark.xdist_group("homes")
def test_ideas_of_the_last_session_are_told(night_home, command_line):
    lake = Lake(night_home)
    last = lake.sessions("trades.ideas")[-1]
    rows = lake.read("trades.ideas", first=last, last=last)
    said = command_line(night_home, "ideas")
    assert said.status == 0, said.err
    assert f"close of {last}" in said.out
    for row in rows.iter_rows(named=True):
        assert f"{row['symbol']}: {row['side']}" in said.out
        assert row["rationale"] in said.out
    one = command_line(night_home, "ideas", "--symbol", rows["symbol"][0])
    assert one.status == 0, one.err
    assert f"{rows['symbol'][1]}: " not in one.out
    assert all(name in one.out for name in rows.columns)
    wrong = command_line(night_home, "ideas", "--symbol", "NONE")
    assert wrong.status == 2
    assert f"expected a symbol with an idea of {last}: {', '.join(sorted(rows['symbol']))}; found 'NONE'" in wrong.err
