"""What the tests of the lake run in processes of their own, and the frames they write.

Run as ``python lake_processes.py COMMAND HOME ...``. A process says ``ready`` once its imports are done and starts at
the first line on its standard input, so that starting is not part of what is tested.
"""

from __future__ import annotations

import datetime as dt
import itertools
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import duckdb
import polars as pl

from gnosis.tables import TABLES
from resources.lake import Lake

MARCH = [dt.date(2012, 3, day) for day in (1, 2, 5, 6, 7, 8, 9, 12, 13, 14)]
APRIL = [dt.date(2012, 4, day) for day in (2, 3, 4, 5, 9)]
BARS, LEVELS = "raw.equity_bars", "raw.index_levels"


def bars(
    sessions: Sequence[dt.date], close: float = 1.0, symbols: Sequence[str] = ("AAA", "BBB"), table_name: str = BARS
) -> pl.DataFrame:
    """Return one bar, or index level, per session and symbol, all of one price."""
    schema = TABLES[table_name].polars_schema
    close_at = pl.col("session").cast(pl.Datetime("us", "UTC")).dt.offset_by("21h")
    keys = pl.DataFrame(
        list(itertools.product(sessions, symbols)),
        schema={"session": pl.Date, "symbol": pl.String},
        orient="row",
    )
    prices = {name: pl.lit(close) for name in ("open", "high", "low", "close", "volume", "adjustment_factor")}
    origin = {"ts": close_at, "known_at": close_at, "provider": pl.lit("example"), "synthetic": pl.lit(True)}
    return keys.with_columns(**prices, **origin).select(list(schema)).cast(dict(schema))


def wait_for_start() -> str:
    print("ready", flush=True)
    return sys.stdin.readline().strip()


def write_one_by_one(home: str, days: str) -> None:
    """Write sessions of March 2012 given by number, one commit each."""
    wait_for_start()
    for number in days.split(","):
        session = dt.date(2012, 3, int(number))
        Lake(home).write(BARS, bars([session], close=float(number)), [session], run_id=number)


def write_generations(home: str, pause_s: str) -> None:
    """Write both tables again and again, each time with the next price, and publish; never ends.

    The first price is the line that starts the process. Every commit and publication is said once it is done.
    """
    lake = Lake(home)
    sessions = MARCH + APRIL
    for generation in itertools.count(int(wait_for_start())):
        for name in (BARS, LEVELS):
            rows = bars(sessions, close=float(generation), table_name=name)
            lake.write(name, rows, sessions, run_id=str(generation))
            print(name, generation, flush=True)
        lake.publish_catalog()
        print("catalog", generation, flush=True)
        if generation % 20 == 0:
            lake.sweep(keep_versions=3, older_than=dt.timedelta(seconds=20), grace=dt.timedelta(seconds=20))
        time.sleep(float(pause_s))


PAIR = "SELECT (SELECT max(close) FROM raw.equity_bars), (SELECT min(close) FROM raw.index_levels)"
ONE = "SELECT max(close), count(*) FROM raw.equity_bars"


def query(home: str, n_rounds: str, n_queries: str, n_pictures: str) -> None:
    """Open the catalog ``n_rounds`` times and ask ``n_queries`` questions each time, by two threads.

    Goes on until it has seen ``n_pictures`` publications: how fast the machine lets the writer publish proves nothing.

    Says how many questions were answered, how many pictures were seen, and every answer that was not the picture's.
    """
    wait_for_start()
    lake, pictures, faults = Lake(home), set(), []
    n_answers = 0

    def ask(cursor: duckdb.DuckDBPyConnection, price: float) -> int:
        for number in range(int(n_queries) // 2):
            question, expected = (ONE, (price, 30)) if number % 20 else (PAIR, (price, price))
            try:
                answer = cursor.execute(question).fetchall()[0]
            except duckdb.Error as error:
                faults.append(repr(error))
            else:
                faults.extend([] if answer == expected else [f"{question}: {expected} became {answer}"])
        return int(n_queries) // 2

    for number in itertools.count():
        if number >= int(n_rounds) and len(pictures) >= int(n_pictures):
            break
        with lake.connect() as connection, ThreadPoolExecutor(2) as threads:
            connection.execute("SET threads = 1")
            price = connection.execute(PAIR).fetchall()[0][0]
            pictures.add(price)
            n_answers += sum(threads.map(ask, [connection.cursor(), connection.cursor()], [price, price]))
    print(n_answers, len(pictures), len(faults), *faults[:3], flush=True)


if __name__ == "__main__":
    {"one_by_one": write_one_by_one, "generations": write_generations, "query": query}[sys.argv[1]](*sys.argv[2:])
