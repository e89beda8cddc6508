"""The 28 options structures, as data.

Strikes in formulas are the distinct strikes in increasing order, K1 < K2 < K3 < K4. Deltas are absolute and in points.
"""

from __future__ import annotations

from gnosis.trading.structures.schema import (
    Ascending,
    Days,
    Exit,
    InTheMoney,
    Leg,
    Margin,
    Mirror,
    Risk,
    SameAs,
    Structure,
    View,
    Wider,
    WidthAboveDebit,
    by_id,
    delta,
    directions,
)

MONTH: Days = {"N": (30, 45)}
LONGER_MONTH: Days = {"N": (21, 45)}
SHORT_MONTH: Days = {"N": (21, 30)}
TWO_MONTHS: Days = {"N": (30, 60)}
CALENDAR: Days = {"N": (21, 30), "F": (60, 90)}
DIAGONAL: Days = {"N": (21, 45), "L": (180, 365)}

STRUCTURES: tuple[Structure, ...] = (
    Structure(
        number=1, id="long_call", legs=(Leg("C", 1, delta(50)),), dte=LONGER_MONTH,
        view=View(direction=directions("bull_strong"), volatility="long", energy="easy", energy_side="up",
                  iv_rank_pct=(0, 50)),
        risk=Risk.DEFINED, max_profit="unlimited", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.LONG_VOLATILITY,
    ),
    Structure(
        number=2, id="bull_call_spread", legs=(Leg("C", 1, delta(50)), Leg("C", -1, delta(30))), dte=MONTH,
        view=View(direction=directions("bull")),
        risk=Risk.DEFINED, max_profit="K2 - K1 - d", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.DEBIT, constraints=(Ascending((0, 1)),),
    ),
    Structure(
        number=3, id="call_ratio_backspread", legs=(Leg("C", -1, delta(55)), Leg("C", 2, delta(30))), dte=MONTH,
        view=View(direction=directions("bull_strong"), volatility="long", energy="easy", energy_side="up"),
        risk=Risk.DEFINED, max_profit="unlimited", max_loss="K2 - K1 - c", premium="either",
        margin=Margin.WORST_LOSS, exit=Exit.LONG_VOLATILITY, constraints=(Ascending((0, 1)),),
    ),
    Structure(
        number=4, id="poor_mans_covered_call", legs=(Leg("C", 1, delta(80), "L"), Leg("C", -1, delta(30))),
        dte=DIAGONAL,
        view=View(direction=directions("bull_moderate"), energy="stiff", energy_side="up"),
        risk=Risk.DEFINED, max_profit="model", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.DEBIT, constraints=(Ascending((0, 1)), WidthAboveDebit(high=1, low=0)),
    ),
    Structure(
        number=5, id="long_put", legs=(Leg("P", 1, delta(50)),), dte=LONGER_MONTH,
        view=View(direction=directions("bear_strong"), volatility="long", energy="easy", energy_side="down",
                  iv_rank_pct=(0, 50)),
        risk=Risk.DEFINED, max_profit="K1 - d", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.LONG_VOLATILITY,
    ),
    Structure(
        number=6, id="bear_put_spread", legs=(Leg("P", 1, delta(50)), Leg("P", -1, delta(30))), dte=MONTH,
        view=View(direction=directions("bear")),
        risk=Risk.DEFINED, max_profit="K2 - K1 - d", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.DEBIT, constraints=(Ascending((1, 0)),),
    ),
    Structure(
        number=7, id="put_ratio_backspread", legs=(Leg("P", -1, delta(55)), Leg("P", 2, delta(30))), dte=MONTH,
        view=View(direction=directions("bear_strong"), volatility="long", energy="easy", energy_side="down"),
        risk=Risk.DEFINED, max_profit="2 * K1 - K2 + c", max_loss="K2 - K1 - c", premium="either",
        margin=Margin.WORST_LOSS, exit=Exit.LONG_VOLATILITY, constraints=(Ascending((1, 0)),),
    ),
    Structure(
        number=8, id="short_strangle", legs=(Leg("C", -1, delta(16)), Leg("P", -1, delta(16))), dte=MONTH,
        view=View(direction=directions("neutral"), volatility="short", energy="stiff", energy_side="both",
                  iv_rank_pct=(70, 100)),
        risk=Risk.UNLIMITED, max_profit="c", max_loss="unlimited", premium="credit", margin=Margin.NAKED,
        exit=Exit.CREDIT, constraints=(Ascending((1, 0)),),
    ),
    Structure(
        number=9, id="short_straddle", legs=(Leg("C", -1, delta(50)), Leg("P", -1, SameAs(0))), dte=SHORT_MONTH,
        view=View(direction=directions("neutral"), energy="stiff", energy_side="both", iv_rank_pct=(70, 100),
                  hedge_pressure_pct=(20, 80)),
        risk=Risk.UNLIMITED, max_profit="c", max_loss="unlimited", premium="credit", margin=Margin.NAKED,
        exit=Exit.CREDIT,
    ),
    Structure(
        number=10, id="long_strangle", legs=(Leg("C", 1, delta(35)), Leg("P", 1, delta(35))), dte=LONGER_MONTH,
        view=View(direction=directions("neutral"), volatility="long", energy="easy", energy_side="both",
                  iv_rank_pct=(0, 30)),
        risk=Risk.DEFINED, max_profit="unlimited", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.LONG_VOLATILITY, constraints=(Ascending((1, 0)),),
    ),
    Structure(
        number=11, id="jade_lizard",
        legs=(Leg("P", -1, delta(30)), Leg("C", -1, delta(30)), Leg("C", 1, delta(15))), dte=MONTH,
        view=View(direction=directions("bull_weak"), volatility="short", energy="stiff", energy_side="both"),
        risk=Risk.LARGE, max_profit="c", max_loss="GREATEST(K1 - c, K3 - K2 - c)", premium="credit",
        margin=Margin.NAKED, exit=Exit.CREDIT, constraints=(Ascending((0, 1, 2)),),
    ),
    Structure(
        number=12, id="reverse_jade_lizard",
        legs=(Leg("C", -1, delta(30)), Leg("P", -1, delta(30)), Leg("P", 1, delta(15))), dte=MONTH,
        view=View(direction=directions("bear_weak"), volatility="short", energy="stiff", energy_side="both"),
        risk=Risk.UNLIMITED, max_profit="c", max_loss="unlimited", premium="credit",
        margin=Margin.NAKED, exit=Exit.CREDIT, constraints=(Ascending((2, 1, 0)),),
    ),
    Structure(
        number=13, id="covered_call", legs=(Leg("S", 1), Leg("C", -1, delta(30))), dte=LONGER_MONTH,
        view=View(direction=directions("bull_weak"), energy="stiff", energy_side="up"),
        risk=Risk.LARGE, max_profit="K1 - d", max_loss="d", premium="debit", margin=Margin.STOCK,
        exit=Exit.DEBIT,
    ),
    Structure(
        number=14, id="cash_secured_put", legs=(Leg("P", -1, delta(30)),), dte=MONTH,
        view=View(direction=directions("bull_weak", "neutral"), volatility="short", energy="stiff",
                  energy_side="down"),
        risk=Risk.LARGE, max_profit="c", max_loss="K1 - c", premium="credit", margin=Margin.CASH_SECURED,
        exit=Exit.CREDIT,
    ),
    Structure(
        number=15, id="call_calendar", legs=(Leg("C", -1, delta(50)), Leg("C", 1, SameAs(0), "F")), dte=CALENDAR,
        view=View(direction=directions("neutral", "bull"), energy="stiff", energy_side="both", iv_rank_pct=(0, 50)),
        risk=Risk.DEFINED, max_profit="model", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.DEBIT,
    ),
    Structure(
        number=16, id="put_calendar", legs=(Leg("P", -1, delta(50)), Leg("P", 1, SameAs(0), "F")), dte=CALENDAR,
        view=View(direction=directions("neutral", "bear"), energy="stiff", energy_side="both", iv_rank_pct=(0, 50)),
        risk=Risk.DEFINED, max_profit="model", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.DEBIT,
    ),
    Structure(
        number=17, id="iron_condor",
        legs=(Leg("P", 1, delta(16)), Leg("P", -1, delta(30)), Leg("C", -1, delta(30)), Leg("C", 1, delta(16))),
        dte=MONTH,
        view=View(direction=directions("neutral"), volatility="short", energy="stiff", energy_side="both",
                  amplification="dampening"),
        risk=Risk.DEFINED, max_profit="c", max_loss="GREATEST(K2 - K1, K4 - K3) - c", premium="credit",
        margin=Margin.WORST_LOSS, exit=Exit.CREDIT, constraints=(Ascending((0, 1, 2, 3)),),
    ),
    Structure(
        number=18, id="broken_wing_butterfly_call",
        legs=(Leg("C", 1, delta(60)), Leg("C", -2, delta(50)), Leg("C", 1, delta(30))), dte=MONTH,
        view=View(direction=directions("bull_weak"), energy="stiff", energy_side="up"),
        risk=Risk.DEFINED, max_profit="K2 - K1 + c", max_loss="GREATEST((K3 - K2) - (K2 - K1) - c, -c)",
        premium="either", margin=Margin.WORST_LOSS, exit=Exit.BY_PREMIUM,
        constraints=(Ascending((0, 1, 2)), Wider(wing=(1, 2), than=(0, 1))),
    ),
    Structure(
        number=19, id="broken_wing_butterfly_put",
        legs=(Leg("P", 1, delta(60)), Leg("P", -2, delta(50)), Leg("P", 1, delta(30))), dte=MONTH,
        view=View(direction=directions("bear_weak"), energy="stiff", energy_side="down"),
        risk=Risk.DEFINED, max_profit="K3 - K2 + c", max_loss="GREATEST((K2 - K1) - (K3 - K2) - c, -c)",
        premium="either", margin=Margin.WORST_LOSS, exit=Exit.BY_PREMIUM,
        constraints=(Ascending((2, 1, 0)), Wider(wing=(2, 1), than=(1, 0))),
    ),
    Structure(
        number=20, id="long_call_butterfly",
        legs=(Leg("C", 1, delta(60)), Leg("C", -2, delta(50)), Leg("C", 1, Mirror(leg=0, body=1))), dte=LONGER_MONTH,
        view=View(direction=directions("bull"), energy="stiff", energy_side="both"),
        risk=Risk.DEFINED, max_profit="K2 - K1 - d", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.DEBIT, constraints=(Ascending((0, 1, 2)),),
    ),
    Structure(
        number=21, id="long_put_butterfly",
        legs=(Leg("P", 1, Mirror(leg=2, body=1)), Leg("P", -2, delta(50)), Leg("P", 1, delta(60))), dte=LONGER_MONTH,
        view=View(direction=directions("bear"), energy="stiff", energy_side="both"),
        risk=Risk.DEFINED, max_profit="K2 - K1 - d", max_loss="d", premium="debit", margin=Margin.WORST_LOSS,
        exit=Exit.DEBIT, constraints=(Ascending((0, 1, 2)),),
    ),
    Structure(
        number=22, id="double_diagonal",
        legs=(Leg("C", -1, delta(30)), Leg("P", -1, delta(30)), Leg("C", 1, delta(20), "F"),
              Leg("P", 1, delta(20), "F")),
        dte=CALENDAR,
        view=View(direction=directions("neutral"), energy="stiff", energy_side="both", term_structure="upward"),
        risk=Risk.DEFINED, max_profit="model", max_loss="model", premium="either", margin=Margin.WORST_LOSS,
        exit=Exit.BY_PREMIUM, constraints=(Ascending((3, 1, 0, 2)),),
    ),
    Structure(
        number=23, id="risk_reversal_long", legs=(Leg("P", -1, delta(25)), Leg("C", 1, delta(25))), dte=TWO_MONTHS,
        view=View(direction=directions("bull_moderate"), amplification="amplifying"),
        risk=Risk.LARGE, max_profit="unlimited", max_loss="K1 - c", premium="either", margin=Margin.NAKED,
        exit=Exit.BY_PREMIUM, constraints=(Ascending((0, 1)),),
    ),
    Structure(
        number=24, id="risk_reversal_short", legs=(Leg("P", 1, delta(25)), Leg("C", -1, delta(25))), dte=TWO_MONTHS,
        view=View(direction=directions("bear_moderate"), amplification="amplifying"),
        risk=Risk.UNLIMITED, max_profit="K1 - d", max_loss="unlimited", premium="either", margin=Margin.NAKED,
        exit=Exit.BY_PREMIUM, constraints=(Ascending((0, 1)),),
    ),
    Structure(
        number=25, id="short_guts", legs=(Leg("C", -1, delta(65)), Leg("P", -1, delta(65))), dte=SHORT_MONTH,
        view=View(direction=directions("neutral"), volatility="short", energy="stiff", energy_side="both",
                  iv_rank_pct=(80, 100)),
        risk=Risk.UNLIMITED, max_profit="c - (K2 - K1)", max_loss="unlimited", premium="credit",
        margin=Margin.NAKED, exit=Exit.CREDIT, constraints=(Ascending((0, 1)), InTheMoney((0, 1))),
    ),
    Structure(
        number=26, id="naked_call", legs=(Leg("C", -1, delta(25, 16, 30)),), dte=MONTH,
        view=View(direction=directions("bear", "neutral"), volatility="short", iv_rank_pct=(70, 100)),
        risk=Risk.UNLIMITED, max_profit="c", max_loss="unlimited", premium="credit", margin=Margin.NAKED,
        exit=Exit.CREDIT,
    ),
    Structure(
        number=27, id="naked_put", legs=(Leg("P", -1, delta(30)),), dte=MONTH,
        view=View(direction=directions("bull", "neutral"), volatility="short"),
        risk=Risk.LARGE, max_profit="c", max_loss="K1 - c", premium="credit", margin=Margin.NAKED,
        exit=Exit.CREDIT,
    ),
    Structure(
        number=28, id="delta_hedge", legs=(), dte={}, view=None, risk=Risk.OVERLAY, max_profit="model",
        max_loss="model", premium="either", margin=Margin.NONE, exit=Exit.NONE,
    ),
)  # fmt: skip
"""Every structure, in order of its number.

Examples
--------
>>> [item.id for item in STRUCTURES if item.is_model_dependent]
['poor_mans_covered_call', 'call_calendar', 'put_calendar', 'double_diagonal']
"""

BY_ID = by_id(STRUCTURES)
"""The same by name.

Examples
--------
>>> BY_ID["iron_condor"].number
17
"""
