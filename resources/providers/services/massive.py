"""Massive, which was Polygon until October 2025: bars, trades, quotes, chains, corporate actions and index levels.

Both names serve one account through two clients of one code base; ``api.polygon.io`` is expected to go. Either key
variable is good for both. Free keys have end-of-day bars and corporate actions of two years, five requests a minute;
chains, trades, quotes and index levels are refused with 403 and come from other services. A plan that reaches further
is said by the option ``reaches_back_sessions``, and a larger budget by ``rates``.

Nothing was verified on the live service: the forms are those of its clients and documents.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace

from resources.providers.live.access import Access
from resources.providers.live.errors import NotFound, SchemaDrift
from resources.providers.live.service import (
    Answer,
    Ask,
    Capability,
    Key,
    Probe,
    Profile,
    Rate,
    typed_errors,
)
from resources.providers.services import massive_actions, massive_bars, massive_chain, massive_ticks
from resources.providers.services.massive_answer import DELAY
from resources.providers.services.massive_pages import REPORT, Connection

DELAY_S = DELAY.total_seconds()
FREE_SESSIONS = 500
SESSIONS_IN_ONE_ASK = 60
"""Most requests that one ask for daily bars makes: twelve minutes of a free key's budget. More would save requests
where few symbols are asked for many sessions, and lose more when an ask breaks off."""

CAPABILITIES = {
    "raw.equity_bars": Capability(None, SESSIONS_IN_ONE_ASK, DELAY_S, FREE_SESSIONS, preference=0),
    "raw.index_levels": Capability(1, None, DELAY_S, FREE_SESSIONS, preference=3),
    "raw.intraday_bars": Capability(1, 20, DELAY_S, FREE_SESSIONS, preference=0),
    "raw.trades": Capability(1, 1, DELAY_S, None, preference=5),
    "raw.order_books": Capability(1, 1, DELAY_S, None, preference=5),
    "raw.option_quotes": Capability(1, 1, DELAY_S, 1, preference=1),
    "raw.splits": Capability(None, None, 0.0, None, preference=0),
    "raw.dividends": Capability(None, None, 0.0, None, preference=0),
}
"""Twenty sessions of minutes are one page. A chain is always the one of now. Trades and books are asked for pairs too:
there the exchanges go first."""

FETCHES: Mapping[str, Callable[[Connection, Ask], Answer]] = {
    "raw.equity_bars": massive_bars.equity_bars,
    "raw.index_levels": massive_bars.index_levels,
    "raw.intraday_bars": massive_bars.intraday_bars,
    "raw.trades": massive_ticks.trades,
    "raw.order_books": massive_ticks.order_books,
    "raw.option_quotes": massive_chain.option_quotes,
    "raw.splits": massive_actions.splits,
    "raw.dividends": massive_actions.dividends,
}


class Massive:
    """The service; see the module."""

    package = "massive"
    profile = Profile(
        name="massive",
        title="Massive (once Polygon)",
        capabilities=CAPABILITIES,
        rates=(Rate(5, 60.0),),
        hosts=("api.massive.com",),
        terms="personal use under the plan's terms; no redistribution",
        key=Key(
            (("MASSIVE_API_KEY",), ("POLYGON_API_KEY",)),
            "a free key is made at https://massive.com/dashboard/signup after signing up",
        ),
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        self.profile = _reaching(type(self).profile, access.options.get("reaches_back_sessions"))
        key = self.profile.key
        assert key is not None
        self._connection = Connection(access, self.package, f"https://{self.profile.hosts[0]}", key)

    def fetch(self, ask: Ask) -> Answer:
        """Return the rows; see :class:`resources.providers.live.service.Service`."""
        expected = f"{ask.table} of {', '.join(ask.symbols[:3])}"
        with typed_errors(self.access, expected):
            fetch = FETCHES.get(ask.table)
            if fetch is None:
                raise NotFound(self.access.service, expected, "no such table here", "ask another service")
            self._connection.require_key()
            return fetch(self._connection, ask)

    def probe(self) -> Probe:
        """Ask whether the market is open, which every plan may."""
        expected = "the status of the market"
        with typed_errors(self.access, expected):
            document = self._connection.get(expected, lambda client: client.get_market_status(raw=True)).json(expected)
            market = document.get("market") if isinstance(document, dict) else None
            told = document.get("serverTime") if isinstance(document, dict) else None
            if not isinstance(market, str) or not isinstance(told, str):
                found = "an answer without market and serverTime"
                raise SchemaDrift(self.access.service, expected, found, REPORT)
            ahead_s = (dt.datetime.fromisoformat(told) - self.access.clock()).total_seconds()
            return Probe(
                None, f"the key is accepted; market {market}; the service's clock is {ahead_s:+.0f} s from ours"
            )


class Polygon(Massive):
    """The same service through its older client and address."""

    package = "polygon"
    profile = replace(
        Massive.profile,
        name="polygon",
        title="Polygon (the older door to Massive)",
        hosts=("api.polygon.io",),
        key=Key((("POLYGON_API_KEY",), ("MASSIVE_API_KEY",)), Massive.profile.key.how if Massive.profile.key else ""),
    )


def _reaching(profile: Profile, sessions: int | None) -> Profile:
    if sessions is None:
        return profile
    if not isinstance(sessions, int) or sessions < 1:
        raise ValueError(
            f"{profile.name}: expected reaches_back_sessions as a whole number of sessions from 1, found {sessions!r}; "
            "correct it in gnosis.toml"
        )
    deeper = {
        table: replace(capability, reaches_back_sessions=sessions)
        if capability.reaches_back_sessions == FREE_SESSIONS
        else capability
        for table, capability in profile.capabilities.items()
    }
    return replace(profile, capabilities=deeper)
