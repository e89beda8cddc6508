"""Replay an order tape on zipline-reloaded; started through Dagster Pipes, which names the folder with its files.

Bars are served from memory, without a bundle. In daily mode zipline fills at the next close; the slippage model here
reads the open of that bar instead, and the commission is in proportion to the traded value. Shares are whole.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pandas as pd
import polars as pl
import zipline
from dagster_pipes import open_dagster_pipes
from sqlalchemy import create_engine
from zipline.algorithm import TradingAlgorithm
from zipline.assets import AssetDBWriter, AssetFinder
from zipline.data.data_portal import DataPortal
from zipline.data.in_memory_daily_bars import InMemoryDailyBarReader
from zipline.finance.commission import EquityCommissionModel
from zipline.finance.ledger import Ledger
from zipline.finance.order import Order
from zipline.finance.slippage import SlippageModel
from zipline.finance.trading import SimulationParameters
from zipline.protocol import BarData
from zipline.utils.calendar_utils import get_calendar

FIELDS = ("open", "high", "low", "close", "volume")


class NextOpen(SlippageModel):
    """Fills at the open of the bar, or at the price given, with the slippage of the order on top."""

    def __init__(self, given: dict[str, dict]) -> None:
        """Take the rows of the tape by order."""
        super().__init__()
        self.given = given

    def process_order(self, data: BarData, order: Order) -> tuple[float, int]:
        """Return price and quantity of the fill."""
        row = self.given[order.id]
        reference = data.current(order.asset, "open") if row["price"] is None else row["price"]
        return reference * (1 + order.direction * row["slippage_ratio"]), order.open_amount


class ProportionalFee(EquityCommissionModel):
    """Charges the fee rate of the order on the traded value."""

    def __init__(self, given: dict[str, dict]) -> None:
        """Take the rows of the tape by order."""
        self.given = given

    def calculate(self, order: Order, transaction: object) -> float:
        """Return the fee of a fill."""
        return abs(transaction.amount) * transaction.price * self.given[order.id]["fee_ratio"]


class Books:
    """Notes the transactions and the equity of each session, as a metric of zipline."""

    def __init__(self, given: dict[str, dict]) -> None:
        """Take the rows of the tape by order."""
        self.given = given
        self.fills: list[tuple] = []
        self.equity: list[tuple] = []

    def end_of_session(
        self,
        packet: dict,  # noqa: ARG002
        ledger: Ledger,
        session: pd.Timestamp,
        session_ix: int,  # noqa: ARG002
        data_portal: DataPortal,  # noqa: ARG002
    ) -> None:
        """Note one session after its close."""
        fees = {order["id"]: order["commission"] for order in ledger.orders()}
        for done in ledger.transactions():
            name = done["order_id"]
            number = self.given[name]["tape_number"]
            self.fills.append((number, done["dt"].date(), float(done["amount"]), done["price"], float(fees[name])))
        self.equity.append((session.date(), float(ledger.portfolio.portfolio_value)))


class Bars(InMemoryDailyBarReader):
    """The reader of zipline, of which two methods ask for attributes that are not there."""

    @property
    def last_available_dt(self) -> pd.Timestamp:
        """Last session with bars."""
        return self._sessions[-1]

    def get_value(self, sid: object, dt: pd.Timestamp, field: str) -> float:
        """Return one field of one bar."""
        return self._values[field][self._sessions.get_loc(dt.normalize()), int(sid)]


def portal(bars: pl.DataFrame, calendar: object, sessions: pd.DatetimeIndex) -> DataPortal:
    """Return a data portal over the bars in memory."""
    symbols = bars["symbol"].unique(maintain_order=True).sort().to_list()
    engine = create_engine("sqlite://")
    AssetDBWriter(engine).write(
        equities=pd.DataFrame(
            {"symbol": symbols, "start_date": sessions[0], "end_date": sessions[-1], "exchange": "XNYS"},
        ),
        exchanges=pd.DataFrame([{"exchange": "XNYS", "country_code": "US"}]),
    )
    frames = {}
    for name in FIELDS:
        wide = bars.pivot("symbol", index="session", values=name).sort("session")
        frame = pd.DataFrame({number: wide[symbol].to_numpy() for number, symbol in enumerate(symbols)})
        frames[name] = frame.set_index(pd.DatetimeIndex(wide["session"].to_list())).reindex(sessions)
    reader = Bars(frames, calendar, pd.Series("USD", index=range(len(symbols))), verify_indices=False)
    return DataPortal(
        AssetFinder(engine),
        calendar,
        first_trading_day=sessions[0],
        equity_daily_reader=reader,
        last_available_minute=calendar.session_close(sessions[-1]),
    )


def replay(bars: pl.DataFrame, tape: pl.DataFrame, cash: float) -> tuple[list[tuple], list[tuple]]:
    """Return the fills and the equity of each session."""
    first, last = bars.select(first=pl.col("session").min(), last=pl.col("session").max()).row(0)
    calendar = get_calendar("XNYS", start=pd.Timestamp(first) - pd.Timedelta(days=30))
    sessions = calendar.sessions_in_range(pd.Timestamp(first), pd.Timestamp(last))
    orders = defaultdict(list)
    for row in tape.iter_rows(named=True):
        orders[row["session"]].append(row)
    after = dict(zip((day.date() for day in sessions[:-1]), (day.date() for day in sessions[1:]), strict=True))
    given: dict[str, dict] = {}
    books = Books(given)

    def initialize(context: TradingAlgorithm) -> None:
        context.set_slippage(us_equities=NextOpen(given))
        context.set_commission(us_equities=ProportionalFee(given))

    def handle_data(context: TradingAlgorithm, data: BarData) -> None:
        for row in orders[after.get(data.current_session.date())]:
            name = context.order(context.symbol(row["symbol"]), row["quantity_shares"])
            if name is not None:
                given[name] = row

    algorithm = TradingAlgorithm(
        sim_params=SimulationParameters(
            start_session=sessions[0],
            end_session=sessions[-1],
            trading_calendar=calendar,
            capital_base=cash,
            data_frequency="daily",
        ),
        data_portal=portal(bars, calendar, sessions),
        trading_calendar=calendar,
        benchmark_returns=pd.Series(0.0, index=sessions),
        metrics_set={books},
        initialize=initialize,
        handle_data=handle_data,
    )
    for _ in algorithm.get_generator():
        pass
    return books.fills, books.equity


def main() -> None:
    """Replay the tape and write fills and equity beside it."""
    with open_dagster_pipes() as pipes:
        pipes.report_custom_message({"version": zipline.__version__})
        folder = Path(pipes.get_extra("folder"))
        bars, tape = pl.read_parquet(folder / "bars.parquet"), pl.read_parquet(folder / "tape.parquet")
        fills, equity = replay(bars, tape, pipes.get_extra("initial_cash_usd"))
        schema = ["tape_number", "session", "quantity_shares", "fill_price", "fee_usd"]
        pl.DataFrame(fills, schema=schema, orient="row").write_parquet(folder / "fills.parquet")
        pl.DataFrame(equity, schema=["session", "equity_usd"], orient="row").write_parquet(folder / "equity.parquet")


main()
