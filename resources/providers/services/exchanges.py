"""What is known of each exchange before asking it: hosts, budgets, and where its public data needs care.

Nothing here needs a key. An exchange that is not in :data:`EXCHANGES` gets the cautious values of :class:`Exchange`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from resources.providers.live.service import Capability, Profile, Rate

PREFIX = "ccxt:"
NIGHTS_PER_DAY = 252 / 366


@dataclass(frozen=True)
class Exchange:
    """What an adapter must know of one exchange.

    Attributes
    ----------
    title
        Name for a person.
    hosts
        Where its public data is; empty when only ccxt knows.
    rates
        Budget of requests, below what the exchange allows.
    candles_per_request
        Days in one window of daily candles.
    newest_candles
        Daily candles that the exchange gives at all, the unfinished one included; None when it gives the whole history.
    bounds_candles
        True when a window needs its end as well as its start.
    most_trades
        Trades in one answer; None to take what the exchange gives unasked.
    most_levels
        Levels of one side of the book in one answer; None to take what the exchange gives unasked.
    dates_quotes
        True when the instant of a ticker is that of its quotes. Elsewhere it is that of the last trade, or is not said.
    names_taker
        True when the side of a public trade is known to be that of the order that took liquidity.
    options
        Options of ccxt that differ from its own.
    preference
        As in :class:`resources.providers.live.service.Capability`.
    """

    title: str
    hosts: tuple[str, ...] = ()
    rates: tuple[Rate, ...] = (Rate(1, 2.0),)
    terms: str = "public data for own use; read the terms of the exchange"
    candles_per_request: int = 100
    newest_candles: int | None = 100
    bounds_candles: bool = False
    most_trades: int | None = None
    most_levels: int | None = None
    dates_quotes: bool = False
    names_taker: bool = False
    options: dict[str, str] = field(default_factory=dict)
    preference: int = 5


EXCHANGES: dict[str, Exchange] = {
    "coinbase": Exchange(
        "Coinbase Advanced Trade",
        ("api.coinbase.com",),
        (Rate(5, 1.0),),
        "public data for own use; answers are up to one second old",
        candles_per_request=300,
        newest_candles=None,
        most_trades=1000,
        most_levels=50,
        # The side is left out: ccxt passes it on as the exchange gives it; other clients take it for the maker's.
        options={"fetchTime": "v3PublicGetBrokerageTime"},
        preference=0,
    ),
    "kraken": Exchange(
        "Kraken spot",
        ("api.kraken.com",),
        (Rate(1, 1.0),),
        "public data for own use",
        candles_per_request=720,
        newest_candles=720,
        most_trades=1000,
        most_levels=50,
        names_taker=True,
        preference=1,
    ),
    "binance": Exchange(
        "Binance spot",
        ("api.binance.com",),
        # 6000 of weight a minute; the list of pairs weighs 20, everything else at most 5.
        (Rate(10, 1.0), Rate(300, 60.0)),
        "public data for own use; refused to addresses in the United States and elsewhere",
        candles_per_request=1000,
        newest_candles=None,
        most_trades=1000,
        most_levels=50,
        dates_quotes=True,
        names_taker=True,
        preference=2,
    ),
    "bybit": Exchange(
        "Bybit spot",
        ("api.bybit.com",),
        (Rate(300, 5.0),),
        "public data for own use; refused to addresses in the United States and elsewhere",
        candles_per_request=1000,
        newest_candles=None,
        bounds_candles=True,
        most_trades=60,
        most_levels=50,
        names_taker=True,
        preference=3,
    ),
}


def exchange_id(service: str) -> str:
    """Return the name that ccxt gives the exchange behind a service.

    Examples
    --------
    >>> exchange_id("kraken"), exchange_id("ccxt:okx")
    ('kraken', 'okx')
    """
    return service.removeprefix(PREFIX)


def exchange_of(service: str) -> Exchange:
    """Return what is known of the exchange behind a service, cautious values when nothing is.

    Examples
    --------
    >>> exchange_of("kraken").newest_candles, exchange_of("ccxt:okx").title
    (720, 'okx through ccxt')
    """
    name = exchange_id(service)
    return EXCHANGES.get(name) or Exchange(f"{name} through ccxt")


def profile_of(service: str) -> Profile:
    """Return the profile of an exchange.

    Examples
    --------
    >>> profile_of("kraken").capabilities["raw.crypto_bars"].reaches_back_sessions
    494
    """
    exchange = exchange_of(service)
    # The unfinished candle is not counted.
    reach = None if exchange.newest_candles is None else int((exchange.newest_candles - 1) * NIGHTS_PER_DAY) - 1
    window = int(exchange.candles_per_request * NIGHTS_PER_DAY)
    snapshot = Capability(1, 1, delay_s=1.0, reaches_back_sessions=1, preference=exchange.preference)
    return Profile(
        name=service,
        title=exchange.title,
        capabilities={
            "raw.crypto_bars": Capability(
                1, window, delay_s=0.0, reaches_back_sessions=reach, preference=exchange.preference
            ),
            "raw.crypto_tickers": snapshot,
            "raw.order_books": snapshot,
            "raw.trades": snapshot,
        },
        rates=exchange.rates,
        hosts=exchange.hosts,
        terms=exchange.terms,
    )
