from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnosis.backtest.fill_rules import Bar, exit_fill, limit_fill, stop_fill, stop_limit_fill
from gnosis.backtest.ledger import to_units

TICK = to_units(0.01)


def bar(opened: float, high: float, low: float, close: float | None = None) -> Bar:
    return Bar(to_units(opened), to_units(high), to_units(low), to_units(opened if close is None else close))


def units(price: float | None) -> int | None:
    return None if price is None else to_units(price)


@pytest.mark.parametrize(
    ("side", "stop", "target", "prices", "found"),
    [
        (-1, 98, 106, (97, 99, 96), ("stop", 97, False)),
        (-1, 98, 106, (100, 107, 97), ("stop", 98, True)),
        (-1, 98, 106, (107, 108, 105), ("target", 107, False)),
        (-1, 98, 106, (100, 106.00, 99), None),
        (-1, 98, 106, (100, 106.01, 99), ("target", 106, False)),
        (-1, 98, 106, (100, 101, 97.5), ("stop", 98, False)),
        (1, 102, 94, (103, 104, 101), ("stop", 103, False)),
        (1, 102, 94, (100, 103, 93), ("stop", 102, True)),
        (1, 102, 94, (93, 95, 92), ("target", 93, False)),
        (1, 102, 94, (100, 101, 93.99), ("target", 94, False)),
    ],
)
def test_published_brackets(
    side: int, stop: float, target: float, prices: tuple[float, float, float], found: tuple[str, float, bool] | None
) -> None:
    hit = exit_fill(side, units(stop), units(target), bar(*prices), tick=TICK)
    if found is None:
        assert hit is None
    else:
        assert hit is not None
        assert (hit.leg, hit.price, hit.is_ambiguous) == (found[0], to_units(found[1]), found[2])


def test_published_stop_limits() -> None:
    stop, limit = to_units(98), to_units(97.5)
    assert stop_limit_fill(-1, stop, limit, bar(97, 97.3, 96), tick=TICK) == (True, None)
    triggered, hit = stop_limit_fill(-1, stop, limit, bar(97, 97.6, 96), tick=TICK)
    assert (triggered, hit.price, hit.at_open) == (True, limit, False)
    inside = stop_limit_fill(-1, stop, limit, bar(99, 99.5, 97), tick=TICK)
    assert (inside[0], inside[1].price) == (True, stop)
    gapped_within = stop_limit_fill(-1, stop, limit, bar(97.8, 98.5, 97), tick=TICK)
    assert gapped_within[1].price == to_units(97.8)
    assert stop_limit_fill(-1, stop, limit, bar(99, 100, 98.01), tick=TICK) == (False, None)
    later = stop_limit_fill(-1, stop, limit, bar(99, 100, 98.5), tick=TICK, is_triggered=True)
    assert later[1].price == to_units(99)


def test_the_opposite_assumption_takes_the_target() -> None:
    hit = exit_fill(-1, units(98), units(106), bar(100, 107, 97), tick=TICK, opposite_intrabar=True)
    assert (hit.leg, hit.price, hit.is_ambiguous) == ("target", to_units(106), True)


def test_a_touch_fills_only_on_demand() -> None:
    touched = bar(100, 106, 99)
    assert limit_fill(-1, to_units(106), touched, tick=TICK) is None
    assert limit_fill(-1, to_units(106), touched, tick=TICK, limit_touch_fills=True).price == to_units(106)


@pytest.mark.parametrize(
    ("entered", "close", "opposite", "leg", "is_ambiguous"),
    [
        # A limit purchase at 99 fell through it: the low comes after, the high may not.
        ("by_limit", 100, False, "stop", False),
        ("by_limit", 107, False, "stop", True),
        # A stop purchase rose through it: the high comes after, the low may not.
        ("by_stop", 100, False, "stop", True),
        ("by_stop", 100, True, "target", False),
    ],
)
def test_an_entry_inside_the_bar_is_exposed_to_the_rest_of_it(
    entered: str, close: float, opposite: bool, leg: str, is_ambiguous: bool
) -> None:
    hit = exit_fill(
        -1,
        units(98),
        units(106),
        bar(100, 107, 97, close),
        tick=TICK,
        entered=entered,
        opposite_intrabar=opposite,
        entry_price=to_units(99 if entered == "by_limit" else 101),
    )
    assert (hit.leg, hit.is_ambiguous) == (leg, is_ambiguous)


def test_a_limit_entry_reaches_its_target_in_the_bar_only_when_the_close_proves_it() -> None:
    doubtful, certain = bar(100, 107, 98.5, 100), bar(100, 107, 98.5, 106.5)
    assert (
        exit_fill(-1, units(98), units(106), doubtful, tick=TICK, entered="by_limit", entry_price=to_units(99)) is None
    )
    assert (
        exit_fill(-1, units(98), units(106), certain, tick=TICK, entered="by_limit", entry_price=to_units(99)).leg
        == "target"
    )


prices = st.integers(1, 400)


@given(st.lists(prices, min_size=4, max_size=4), prices, prices, st.sampled_from([-1, 1]))
def test_purchases_mirror_sales(found: list[int], level: int, other: int, side: int) -> None:
    low, first, second, high = sorted(found)
    here = Bar(first, high, low, second)
    mirror = Bar(500 - first, 500 - low, 500 - high, 500 - second)

    def mirrored(price: int | None) -> int | None:
        return None if price is None else 500 - price

    for rule in (lambda s, p, b: limit_fill(s, p, b, tick=1), stop_fill):
        hit, back = rule(side, level, here), rule(-side, 500 - level, mirror)
        assert (hit is None) == (back is None)
        if hit is not None:
            assert (hit.price, hit.at_open) == (mirrored(back.price), back.at_open)
            assert low <= hit.price <= high
    hit = exit_fill(side, level, other, here, tick=1)
    back = exit_fill(-side, 500 - level, 500 - other, mirror, tick=1)
    assert (hit is None) == (back is None)
    assert hit is None or (hit.price, hit.leg, hit.is_ambiguous) == (mirrored(back.price), back.leg, back.is_ambiguous)


@given(st.lists(prices, min_size=4, max_size=4), prices)
def test_a_stop_never_fills_better_than_the_open_that_jumped_it(found: list[int], stop: int) -> None:
    low, first, second, high = sorted(found)
    hit = stop_fill(-1, stop, Bar(second, high, low, first))
    assert hit is None or hit.price == min(stop, second)


def test_a_leg_that_the_entry_has_passed_fills_at_the_entry() -> None:
    given = {"tick": TICK, "entered": "by_limit", "entry_price": to_units(96)}
    hit = exit_fill(-1, units(98), None, bar(97, 97.5, 95), **given)
    assert (hit.price, hit.is_ambiguous) == (to_units(96), False)
    hit = exit_fill(-1, None, units(95.5), bar(97, 97.5, 95.8), **given)
    assert (hit.price, hit.is_ambiguous) == (to_units(96), False)
    with pytest.raises(ValueError, match="expected the price of an entry inside the bar"):
        exit_fill(-1, units(98), None, bar(97, 97.5, 95), tick=TICK, entered="by_limit")
