"""Services that are led to the loopback server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resources.providers.live.access import Access
from tests.loopback.server import Loopback
from tests.loopback.world import World

PATIENT_S = 20.0
IMPATIENT_S = 0.15
"""Time limit of tests that run into it; all others wait as long as a busy machine may need."""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def access_to(loopback: Loopback, world: World) -> Iterator[Callable[..., Access]]:
    """Return a function that makes the access to a service on the loopback server at the world's time."""
    made: list[Access] = []

    def make(service: str, **rest: Any) -> Access:
        clock: Callable[[], dt.datetime] = lambda: world.now  # noqa: E731
        given = {"base_url": loopback.url(service), "timeout_s": PATIENT_S} | rest
        made.append(Access(service, clock=clock, **given))
        return made[-1]

    yield make
    for access in made:
        access.close()
