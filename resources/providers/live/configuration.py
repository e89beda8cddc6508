"""What a user says about live services: the part ``[live]`` of ``gnosis.toml``. It holds no secrets."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gnosis.symbols import canonical, chain_symbol
from gnosis.tables import TABLES
from resources.providers.services import EXCHANGE, SERVICES

SERIES = (
    "A191RL1Q025SBEA",
    "BAA10Y",
    "CPIAUCSL",
    "DFF",
    "DGS1MO",
    "DGS3MO",
    "DGS6MO",
    "DGS1",
    "DGS2",
    "DGS5",
    "DGS10",
    "UNRATE",
)
SPARE = ("polygon",)
"""Services that are asked only when they are named: another door to an account that is asked already."""


class ServiceConfiguration(BaseModel):
    """One service.

    Attributes
    ----------
    is_enabled
        False to leave it alone.
    base_url
        Address in place of its own.
    timeout_s
        Longest time for one request.
    rates
        Budget in place of the documented one: pairs of requests and seconds.
    options
        Settings of the service, as ``docs/providers.md`` lists them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    is_enabled: bool = True
    base_url: str | None = None
    timeout_s: float = Field(default=20.0, gt=0)
    rates: tuple[tuple[int, float], ...] | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class LiveConfiguration(BaseModel):
    """Which market is followed, and through which services.

    Attributes
    ----------
    symbols
        Equities and ETFs: bars, chains, actions, short volume, posts and news.
    chains
        Underlyings of option chains, such as ``^GSPC`` for the contracts of SPX and SPXW; by default the symbols.
    indices
        Index levels.
    pairs
        Crypto pairs: bars, tickers, books and trades.
    series
        Macro series, as at FRED.
    tables
        By table, symbols in place of those above; an empty list leaves the table out.
    listed_from
        First session of a symbol's present listing, where bars of an earlier owner of the ticker must not be taken.
    services
        By name.
    attempts
        Tries of one ask at one service, for errors that may pass.
    longest_wait_s
        Longest wait for a budget or a ``Retry-After`` before the next service is asked.
    is_price_checked
        False to take closes from one service without asking another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbols: tuple[str, ...] = ("SPY", "QQQ", "AAPL", "MSFT", "NVDA")
    chains: tuple[str, ...] | None = None
    indices: tuple[str, ...] = ("^GSPC", "^IXIC", "^VIX")
    pairs: tuple[str, ...] = ("BTC/USD", "ETH/USD")
    series: tuple[str, ...] = SERIES
    tables: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    listed_from: dict[str, dt.date] = Field(default_factory=dict)
    services: dict[str, ServiceConfiguration] = Field(default_factory=dict)
    attempts: int = Field(default=3, ge=1)
    longest_wait_s: float = Field(default=60.0, ge=0)
    is_price_checked: bool = True

    @field_validator("symbols", "chains", "indices", "pairs")
    @classmethod
    def _canonical(cls, symbols: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return symbols and tuple(dict.fromkeys(canonical(symbol) for symbol in symbols))

    @field_validator("tables")
    @classmethod
    def _canonical_tables(cls, tables: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        unknown = sorted(name for name in tables if not name.startswith("raw.") or name not in TABLES)
        if unknown:
            raise ValueError(f"expected raw tables such as raw.news, found {', '.join(unknown)}")
        return {name: _in_the_form_of(name, symbols) for name, symbols in tables.items()}

    @field_validator("listed_from")
    @classmethod
    def _canonical_listings(cls, listed_from: dict[str, dt.date]) -> dict[str, dt.date]:
        return {canonical(symbol): day for symbol, day in listed_from.items()}

    @field_validator("services")
    @classmethod
    def _known(cls, services: dict[str, ServiceConfiguration]) -> dict[str, ServiceConfiguration]:
        for name in services:
            require_service(name)
        return services

    def names(self, first: str | None) -> tuple[str, ...]:
        """Return the services to ask, ``first`` (one of them, or None) at the front."""
        named = [*([first] if first else []), *self.services, *(name for name in SERVICES if name not in SPARE)]
        return tuple(name for name in dict.fromkeys(named) if self.of(name).is_enabled)

    def of(self, service: str) -> ServiceConfiguration:
        """Return what is said about a service."""
        return self.services.get(service, ServiceConfiguration())

    def symbols_of(self, table: str) -> tuple[str, ...]:
        """Return the symbols of a table, sorted; ``("",)`` where it has none, nothing where it is left out."""
        if table in self.tables:
            return tuple(sorted(self.tables[table]))
        if table == "raw.dix":
            return ("",)
        if table == "raw.macro":
            return tuple(sorted(self.series))
        if table == "raw.index_levels":
            return tuple(sorted(self.indices))
        if table in ("raw.crypto_bars", "raw.crypto_tickers", "raw.order_books", "raw.trades"):
            return tuple(sorted(self.pairs))
        if table == "raw.option_quotes":
            return tuple(sorted({chain_symbol(symbol) for symbol in self.chains or self.symbols}))
        return tuple(sorted(self.symbols))


def _in_the_form_of(table: str, symbols: tuple[str, ...]) -> tuple[str, ...]:
    if table in ("raw.macro", "raw.dix"):
        return symbols
    names = dict.fromkeys(canonical(symbol) for symbol in symbols)
    return tuple(map(chain_symbol, names)) if table == "raw.option_quotes" else tuple(names)


def require_service(name: str) -> str:
    """Return the name, or raise ValueError when there is no such service."""
    if name in SERVICES or name.startswith(EXCHANGE):
        return name
    raise ValueError(f"expected one of {', '.join(SERVICES)} or {EXCHANGE}<exchange>, found {name!r}")
