"""Yahoo on the loopback server, on an evening long ago."""

from __future__ import annotations

import pytest

from resources.providers.live.access import Access
from resources.providers.services import make_service
from tests.loopback.vendors.yahoo import LONG_AGO, PLAIN, YahooVendor
from tests.loopback.world import World


@pytest.fixture
def world() -> World:
    """A Friday evening that is past on every clock, so that yfinance would keep what it gets."""
    return World(LONG_AGO)


@pytest.fixture
def vendor(loopback, world):
    served = YahooVendor(world)
    loopback.serve(served)
    return served


@pytest.fixture
def yahoo(vendor, access_to):
    return make_service(access_to("yahoo", options=PLAIN))


@pytest.fixture
def service_at(loopback):
    """Return a function that makes the service as it is at another time than the world's."""
    made = []

    def make(now):
        made.append(Access("yahoo", loopback.url("yahoo"), options=PLAIN, clock=lambda: now))
        return make_service(made[-1])

    yield make
    for access in made:
        access.close()
