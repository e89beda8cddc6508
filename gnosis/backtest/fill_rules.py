"""At what price a resting order fills on one bar: pure rules over the bar's open, high, low and close.

Prices are integers in one unit throughout (the engine uses 1e-8 dollars), so that a touch and a trade-through by one
tick are told apart exactly. ``side`` is 1 for a buy and -1 for a sale. Inside a bar the order of events is not known;
where it matters the rules take the worse one, say so with ``is_ambiguous``, and take the other one on demand.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Entered = Literal["before", "by_limit", "by_stop"]
"""When the position that exits protect was entered: before or at the open of the bar, or inside it by which order."""


class Bar(NamedTuple):
    """Prices of one bar."""

    open: int
    high: int
    low: int
    close: int


class Hit(NamedTuple):
    """A fill before costs.

    Attributes
    ----------
    price
        Reference price of the fill.
    at_open
        True at the open of the bar, false inside it.
    leg
        Which leg of a bracket it is; ``order`` for orders that stand alone.
    is_ambiguous
        True when the outcome rests on an assumption about the order of events inside the bar.
    """

    price: int
    at_open: bool
    leg: Literal["order", "stop", "target"] = "order"
    is_ambiguous: bool = False


def limit_fill(side: int, limit: int, bar: Bar, *, tick: int, limit_touch_fills: bool = False) -> Hit | None:
    """Return the fill of a limit order: at an open that is as good, else at the limit when the bar trades through it.

    Parameters
    ----------
    side
        1 for a buy, -1 for a sale.
    limit
        Worst price accepted.
    bar
        Prices of the bar.
    tick
        How far the bar must trade beyond the limit; a touch is no fill.
    limit_touch_fills
        True counts a touch as a fill.

    Examples
    --------
    >>> limit_fill(-1, 10600, Bar(10000, 10600, 9900, 10000), tick=1) is None
    True
    >>> limit_fill(-1, 10600, Bar(10000, 10601, 9900, 10000), tick=1)
    Hit(price=10600, at_open=False, leg='order', is_ambiguous=False)
    """
    if side * (limit - bar.open) >= 0:
        return Hit(bar.open, True)
    reached = bar.low if side > 0 else bar.high
    beyond = side * (limit - reached)
    return Hit(limit, False) if beyond >= (0 if limit_touch_fills else tick) else None


def stop_fill(side: int, stop: int, bar: Bar) -> Hit | None:
    """Return the fill of a stop order: at the open that jumped it, never better, else at the stop.

    Examples
    --------
    >>> stop_fill(-1, 9800, Bar(9700, 9900, 9600, 9900)).price, stop_fill(-1, 9800, Bar(10000, 10700, 9700, 9800)).price
    (9700, 9800)
    """
    if side * (bar.open - stop) >= 0:
        return Hit(bar.open, True)
    reached = bar.high if side > 0 else bar.low
    return Hit(stop, False) if side * (reached - stop) >= 0 else None


def stop_limit_fill(
    side: int,
    stop: int,
    limit: int,
    bar: Bar,
    *,
    tick: int,
    limit_touch_fills: bool = False,
    is_triggered: bool = False,
) -> tuple[bool, Hit | None]:
    """Return whether a stop-limit order is triggered by the end of the bar, and its fill.

    Triggered inside the bar it fills at the stop. Triggered by a gap beyond its limit it rests there as a limit order.

    Examples
    --------
    >>> stop_limit_fill(-1, 9800, 9750, Bar(9700, 9730, 9600, 9650), tick=1)
    (True, None)
    >>> stop_limit_fill(-1, 9800, 9750, Bar(9700, 9760, 9600, 9650), tick=1)[1].price
    9750
    """
    if not is_triggered:
        hit = stop_fill(side, stop, bar)
        if hit is None or not hit.at_open:
            return hit is not None, hit
    return True, limit_fill(side, limit, bar, tick=tick, limit_touch_fills=limit_touch_fills)


def exit_fill(
    side: int,
    stop: int | None,
    target: int | None,
    bar: Bar,
    *,
    tick: int,
    limit_touch_fills: bool = False,
    opposite_intrabar: bool = False,
    entered: Entered = "before",
    entry_price: int | None = None,
) -> Hit | None:
    """Return the fill of a bracket, whose legs cancel each other.

    Parameters
    ----------
    side
        Side of the exits: -1 protects a long position.
    stop, target
        Prices of the legs; at least one.
    bar, tick, limit_touch_fills
        As for the single orders.
    opposite_intrabar
        False lets the worse outcome happen where the bar does not say; True the better one.
    entered
        ``before`` for a position from before the bar or from its open. A position entered inside the bar is exposed to
        what is left of it: a stop entry may have come after the adverse extreme, a limit entry after the good one.
    entry_price
        Price of an entry inside the bar: a leg that it has passed already fills there.

    Raises
    ------
    ValueError
        For an entry inside the bar without its price.

    Examples
    --------
    >>> exit_fill(-1, 9800, 10600, Bar(10000, 10700, 9700, 10000), tick=1)
    Hit(price=9800, at_open=False, leg='stop', is_ambiguous=True)
    """
    stopped = None if stop is None else stop_fill(side, stop, bar)
    reached = None if target is None else limit_fill(side, target, bar, tick=tick, limit_touch_fills=limit_touch_fills)
    if entered != "before":
        if entry_price is None:
            raise ValueError(f"expected the price of an entry inside the bar ({entered}), found none")
        return _exit_inside(side, stop, target, bar, stopped, reached, opposite_intrabar, entered, entry_price)
    stopped = None if stopped is None else stopped._replace(leg="stop")
    reached = None if reached is None else reached._replace(leg="target")
    for hit in (stopped, reached):
        if hit is not None and hit.at_open:
            return hit
    if stopped is not None and reached is not None:
        return (reached if opposite_intrabar else stopped)._replace(is_ambiguous=True)
    return stopped or reached


def _exit_inside(
    side: int,
    stop: int | None,
    target: int | None,
    bar: Bar,
    stopped: Hit | None,
    reached: Hit | None,
    opposite_intrabar: bool,
    entered: Entered,
    entry_price: int,
) -> Hit | None:
    """Return the exit in the bar of an entry inside it; the close is the one price that certainly came after."""
    stop_hit = target_hit = None
    if stop is not None and stopped is not None:
        is_certain = entered == "by_limit" or side * (bar.close - stop) >= 0 or side * (entry_price - stop) >= 0
        if is_certain or not opposite_intrabar:
            stop_hit = Hit(side * max(side * stop, side * entry_price), False, "stop", not is_certain)
    if target is not None and reached is not None:
        is_certain = entered == "by_stop" or side * (target - bar.close) >= 0 or side * (target - entry_price) >= 0
        if is_certain or opposite_intrabar:
            target_hit = Hit(side * min(side * target, side * entry_price), False, "target", not is_certain)
    if stop_hit is not None and target_hit is not None:
        return (target_hit if opposite_intrabar else stop_hit)._replace(is_ambiguous=True)
    return stop_hit or target_hit
