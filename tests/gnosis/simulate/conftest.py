"""Markets that several tests look at; generated once."""

from __future__ import annotations

import datetime as dt

import pytest

from gnosis.sessions import sessions_between
from gnosis.simulate import Market, macro_vintages, market

SEED = 7


@pytest.fixture(scope="session")
def history() -> Market:
    """Two symbols, 2007 to mid 2009, without options."""
    return market("daily", ["AAA", "BBB"], sessions_between(dt.date(2007, 1, 3), dt.date(2009, 6, 30)), SEED)


@pytest.fixture(scope="session")
def chain_sessions() -> list[dt.date]:
    """Eight weeks with two expiries in them."""
    return sessions_between(dt.date(2009, 1, 5), dt.date(2009, 2, 27))


@pytest.fixture(scope="session")
def exact() -> Market:
    """Market K4: one symbol, quotes at exactly 1% around the model price."""
    return market("certified_surface", ["AAA"], sessions_between(dt.date(2009, 1, 5), dt.date(2009, 1, 30)), SEED)


@pytest.fixture(scope="session")
def macro(chain_sessions):  # type: ignore[no-untyped-def]
    return macro_vintages(chain_sessions, SEED)
