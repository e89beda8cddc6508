"""Replay an order tape on backtrader; started through Dagster Pipes, which names the folder with ``bars`` and ``tape``.

No cheat-on mode: an order given at a close fills at the next open. Slippage on opens is on and is not capped by the
range of the bar. Cash is lent, so that the broker refuses no order, and taken off again from the equity.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from pathlib import Path

import backtrader as bt
import polars as pl
from dagster_pipes import open_dagster_pipes


class Bars(bt.feed.DataBase):
    """Bars of one symbol, from rows of (session, open, high, low, close, volume)."""

    params = (("rows", ()),)

    def start(self) -> None:
        """Begin at the first row."""
        super().start()
        self.remaining = iter(self.p.rows)

    def _load(self) -> bool:
        row = next(self.remaining, None)
        if row is None:
            return False
        session, *prices, volume = row
        self.lines.datetime[0] = bt.date2num(dt.datetime.combine(session, dt.time()))
        for line, value in zip(("open", "high", "low", "close"), prices, strict=True):
            getattr(self.lines, line)[0] = value
        self.lines.volume[0] = volume
        self.lines.openinterest[0] = 0.0
        return True


class Fee(bt.CommInfoBase):
    """Commission in proportion to the traded value, at the rate of the order that is being filled."""

    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_PERC))
    rate = 0.0

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:  # noqa: ARG002
        return abs(size) * price * self.rate


class Broker(bt.brokers.BackBroker):
    """The broker of backtrader with slippage and fee rate of each order instead of one of each for all."""

    def _try_exec_market(self, order: bt.Order, popen: float, phigh: float, plow: float) -> None:
        self.p.slip_perc = order.info.slippage_ratio
        self.getcommissioninfo(order.data).rate = order.info.fee_ratio
        given = order.info.price_given
        super()._try_exec_market(order, popen if given is None else given, phigh, plow)


class Replay(bt.Strategy):
    """Gives each order at the close before the session at which it is eligible."""

    params = (("sessions", ()), ("tape", None), ("lent", 0.0))

    def __init__(self) -> None:
        """Collect what is filled and what every close is worth."""
        self.fills: list[tuple] = []
        self.equity: list[tuple] = []
        self.after = dict(zip(self.p.sessions[:-1], self.p.sessions[1:], strict=True))

    def prenext(self) -> None:
        """Trade also before every symbol has a bar."""
        self.next()

    def next(self) -> None:
        """Note the equity of this close and give the orders of the next session."""
        session = self.data0.datetime.date(0)
        self.equity.append((session, self.broker.getvalue() - self.p.lent))
        for row in self.p.tape[self.after.get(session)]:
            give = self.buy if row["quantity_shares"] > 0 else self.sell
            give(
                data=self.getdatabyname(row["symbol"]),
                size=abs(row["quantity_shares"]),
                tape_number=row["tape_number"],
                price_given=row["price"],
                slippage_ratio=row["slippage_ratio"],
                fee_ratio=row["fee_ratio"],
            )

    def notify_order(self, order: bt.Order) -> None:
        """Note a fill."""
        if order.status == order.Completed:
            done, session = order.executed, self.data0.datetime.date(0)
            self.fills.append((order.info.tape_number, session, done.size, done.price, done.comm))


def main() -> None:
    """Replay the tape and write fills and equity beside it."""
    with open_dagster_pipes() as pipes:
        pipes.report_custom_message({"version": bt.__version__})
        folder, lent = Path(pipes.get_extra("folder")), pipes.get_extra("lent_cash_usd")
        bars = pl.read_parquet(folder / "bars.parquet")
        tape = defaultdict(list)
        for row in pl.read_parquet(folder / "tape.parquet").iter_rows(named=True):
            tape[row["session"]].append(row)
        sessions = bars["session"].unique().sort().to_list()
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.broker = Broker(checksubmit=False, slip_perc=0.0, slip_open=True, slip_match=True, slip_out=True)
        cerebro.broker.setcash(pipes.get_extra("initial_cash_usd") + lent)
        cerebro.broker.addcommissioninfo(Fee())
        # The clock has a bar in every session, the symbols may begin later.
        cerebro.adddata(Bars(rows=[(session, 1.0, 1.0, 1.0, 1.0, 0.0) for session in sessions]), name="")
        for (symbol,), rows in bars.drop_nulls("close").group_by("symbol", maintain_order=True):
            columns = rows.select("session", "open", "high", "low", "close", "volume")
            cerebro.adddata(Bars(rows=columns.rows()), name=symbol)
        cerebro.addstrategy(Replay, sessions=sessions, tape=tape, lent=lent)
        (replay,) = cerebro.run()
        schema = ["tape_number", "session", "quantity_shares", "fill_price", "fee_usd"]
        pl.DataFrame(replay.fills, schema=schema, orient="row").write_parquet(folder / "fills.parquet")
        equity = pl.DataFrame(replay.equity, schema=["session", "equity_usd"], orient="row")
        equity.write_parquet(folder / "equity.parquet")


main()
