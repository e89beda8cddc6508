"""What every service must do in every mode, and the asks with which it is tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resources.providers.live.errors import (
    AuthError,
    EmptyResult,
    EntitlementError,
    FetchError,
    NotFound,
    RateLimited,
    SchemaDrift,
    Transient,
)
from resources.providers.live.service import Ask
from tests.loopback.server import Vendor
from tests.loopback.world import World

EXPECTED: Mapping[str, type[FetchError]] = {
    "empty": EmptyResult,
    "401": AuthError,
    "402": EntitlementError,
    "403": EntitlementError,
    "404": NotFound,
    "418": RateLimited,
    "429": RateLimited,
    "429_retry_after": RateLimited,
    "451": EntitlementError,
    "500": Transient,
    "502": Transient,
    "503": Transient,
    "html": SchemaDrift,
    "truncated": SchemaDrift,
    "slow": Transient,
    "drip": Transient,
    "wrong_types": SchemaDrift,
}
"""Error of each failing mode. In ``ok``, ``paging`` and ``redirect`` the rows are the same."""

ONCE = frozenset({"drip", "slow"})
"""Modes in which one ask of each service is enough: what they try is the transport alone."""

SECRET = "k3y-that-must-not-be-told"


@dataclass(frozen=True)
class Case:
    """One ask of one service.

    Attributes
    ----------
    vendor
        Makes the vendor for a world.
    ask
        Makes the ask for a world.
    keys
        Values of key variables; :data:`SECRET` or texts that contain it.
    otherwise
        By mode, the error in place of the usual one, with the reason in a comment beside it. None: the mode does not
        concern this ask, because the service has nothing of the kind (no pages, no numbers).
    base_url
        Returns the base address from that of the loopback server, where the service wants another form.
    """

    service: str
    vendor: Callable[[World], Vendor]
    ask: Callable[[World], Ask]
    keys: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    otherwise: Mapping[str, type[FetchError] | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.service}-{self.ask(World()).table}"
