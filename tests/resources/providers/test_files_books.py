"""Order books from files that need no mapping: what is kept, what is set aside, and that real captures never cross."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from resources.providers.errors import FolderConfigError, MissingColumnError, MissingFileError, UnreadableFileError
from resources.providers.files import FilesProvider
from resources.providers.files.books import read_books
from resources.providers.files.captures import read_capture
from resources.providers.files.config import BookRules, SourceSpec

START = 1_357_221_600.0
"""2013-01-03 14:00:00 UTC, before the open."""

SESSION = dt.date(2013, 1, 3)


def source(spec_format: str, **book) -> SourceSpec:
    return SourceSpec(path="*", format=spec_format, book=BookRules(**book))


def capture(folder: Path, *found: tuple[float, object], packed: bool = False) -> Path:
    lines = ["wss://ws-feed.example.com <-> 1357221599.5"]
    lines += [f"{START + at}: {text if isinstance(text, str) else json.dumps(text)}" for at, text in found]
    file = folder / "capture.ws"
    content = "\n".join(lines).encode()
    file.write_bytes(gzip.compress(content) if packed else content)
    return file


def snapshot(*, bids=(("10.0", "5"), ("9.9", "6")), asks=(("10.2", "7"), ("10.3", "8")), product="AAA-USD") -> dict:
    return {"type": "snapshot", "product_id": product, "bids": [*bids], "asks": [*asks]}


def update(*changes: tuple[str, str, str], product="AAA-USD") -> dict:
    return {"type": "l2update", "product_id": product, "changes": [*changes], "time": "2013-01-03T14:00:00.1Z"}


def best(rows: pl.DataFrame) -> list[tuple]:
    seconds = (pl.col("ts").dt.epoch("us") / 1e6 - START).alias("at")
    return rows.filter(pl.col("level") == 1).sort("ts", "side").select(seconds, "side", "price", "size").rows()


@pytest.mark.parametrize("packed", [False, True])
def test_coinbase_at_full_intervals(tmp_path, packed):
    file = capture(
        tmp_path,
        (0.5, snapshot()),
        (1.5, update(("buy", "10.1", "1"), ("sell", "10.2", "0"))),
        (3.0, {"type": "ticker"}),
        packed=packed,
    )
    rows, aside = read_books(file, source("cryptofeed", interval_seconds=1))
    assert best(rows) == [
        (1.0, "A", 10.2, 7.0), (1.0, "B", 10.0, 5.0),
        (2.0, "A", 10.3, 8.0), (2.0, "B", 10.1, 1.0),
        (3.0, "A", 10.3, 8.0), (3.0, "B", 10.1, 1.0),
    ]  # fmt: skip
    assert (rows["known_at"] == rows["ts"]).all()
    assert aside.is_empty()


def test_no_snapshot_while_the_capture_is_silent(tmp_path):
    file = capture(tmp_path, (0.0, snapshot()), (10.0, update(("buy", "9.8", "1"))))
    rows, _ = read_books(file, source("cryptofeed", interval_seconds=1, stale_after_seconds=2))
    assert rows["ts"].dt.second().unique().sort().to_list() == [0, 1, 2, 10]


def test_instruments_get_our_symbols_and_others_are_left_out(tmp_path):
    file = capture(tmp_path, (0.0, snapshot()), (0.0, snapshot(product="BBB-USD")))
    rows, _ = read_books(file, source("cryptofeed", interval_seconds=1, symbols={"BBB-USD": "BBB"}, levels=1))
    assert rows.select("symbol", "level").unique().rows() == [("BBB", 1)]


def test_a_crossed_book_is_set_aside(tmp_path):
    file = capture(
        tmp_path, (0.0, snapshot()), (0.5, update(("buy", "10.2", "1"))), (1.5, update(("buy", "10.2", "0")))
    )
    rows, aside = read_books(file, source("cryptofeed", interval_seconds=1))
    assert best(rows) == [(0.0, "A", 10.2, 7.0), (0.0, "B", 10.0, 5.0)]
    assert aside.select("rule|", "best_bid", "best_ask", "day").rows() == [("crossed", 10.2, 10.2, SESSION)]


def test_a_change_before_the_book_is_set_aside(tmp_path):
    file = capture(tmp_path, (0.0, update(("buy", "9.0", "1"))), (0.5, snapshot()), (1.0, {"type": "ticker"}))
    rows, aside = read_books(file, source("cryptofeed", interval_seconds=1))
    assert [row[0] for row in best(rows)] == [1.0, 1.0]
    assert aside["rule|"].to_list() == ["no_snapshot"]


@pytest.mark.parametrize(
    "lost",
    [
        "{not json",
        "7",
        '["book-10", "AAA-USD"]',
        '{"type": "l2update", "product_id": "AAA-USD", "changes": [["buy", "x", "1"]]}',
    ],
)
def test_a_message_that_cannot_be_read_spoils_the_book_until_it_is_sent_anew(tmp_path, lost):
    file = capture(tmp_path, (0.0, snapshot()), (0.5, lost), (1.5, update(("buy", "9.8", "1"))), (2.5, snapshot()))
    rows, aside = read_books(file, source("cryptofeed", interval_seconds=0.5))
    assert {row[0] for row in best(rows)} == {0.0, 2.5}
    assert aside.filter(pl.col("rule|") == "line|type")["line"].str.contains("1357221600.5: ", literal=True).all()
    assert set(aside["rule|"]) == {"line|type", "message_lost"}


def kraken(part: dict, *more: dict) -> list:
    return [336, part, *more, "book-10", "AAA/USD"]


def checksum(*levels: tuple[str, str]) -> str:
    parts = "".join(number.replace(".", "").lstrip("0") for level in levels for number in level)
    return str(zlib.crc32(parts.encode()))


def test_kraken_is_held_against_its_checksum(tmp_path):
    first = {"as": [["0.05010", "1.5", "1"], ["0.05020", "2.0", "1"]], "bs": [["0.05000", "3.0", "1"]]}
    right = checksum(("0.05005", "4.0"), ("0.05010", "1.5"), ("0.05020", "2.0"), ("0.05000", "3.0"))
    file = capture(
        tmp_path,
        (0.0, kraken(first)),
        (0.5, kraken({"a": [["0.05005", "4.0", "2"]], "c": right})),
        (1.5, kraken({"b": [["0.04990", "1.0", "3"]], "c": "1"})),
        (2.5, kraken({"b": [["0.04980", "1.0", "3"]], "c": right})),
        (3.5, kraken(first)),
        (4.0, {"event": "heartbeat"}),
    )
    rows, aside = read_books(file, source("cryptofeed", interval_seconds=1))
    assert [(row[0], row[2]) for row in best(rows) if row[1] == "A"] == [(0.0, 0.0501), (1.0, 0.05005), (4.0, 0.0501)]
    assert aside["rule|"].unique().to_list() == ["checksum"]


def test_kraken_tells_both_sides_in_one_message(tmp_path):
    first = {"as": [["10.2", "1", "1"]], "bs": [["10.0", "3", "1"]]}
    both = kraken({"a": [["10.2", "0", "2"], ["10.1", "1", "2"]]}, {"b": [["10.05", "1", "2"]]})
    file = capture(tmp_path, (0.0, kraken(first)), (0.5, both))
    rows, aside = read_books(file, source("cryptofeed", interval_seconds=None))
    assert best(rows)[2:] == [(0.5, "A", 10.1, 1.0), (0.5, "B", 10.05, 1.0)]
    assert aside.is_empty()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "messages of Coinbase level2 or Kraken book, found none"), (b"\x1f\x8b\x08broken", "a whole file of text")],
)
def test_a_file_without_books(tmp_path, content, message):
    file = tmp_path / "capture.ws"
    file.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=message):
        read_capture(file, 10)


def lobster(folder: Path, books: str, messages: str | None) -> Path:
    file = folder / "AAA_2013-01-03_34200000_57600000_orderbook_2.csv"
    file.write_text(books)
    if messages is not None:
        (folder / file.name.replace("_orderbook_", "_message_")).write_text(messages)
    return file


BOOKS = "102000,7,100000,5,9999999999,0,-9999999999,0\n102000,7,101000,1,9999999999,0,100000,5\n"
MESSAGES = "34200.25,1,1,5,100000,1\n34200.75,1,2,1,101000,1\n"


def test_lobster_prices_are_in_dollars_and_empty_levels_are_left_out(tmp_path):
    rows, _ = read_books(lobster(tmp_path, BOOKS, MESSAGES), source("lobster", interval_seconds=None))
    assert rows.select("symbol", "side", "level", "price", "size").rows() == [
        ("AAA", "B", 1, 10.0, 5.0), ("AAA", "A", 1, 10.2, 7.0),
        ("AAA", "B", 1, 10.1, 1.0), ("AAA", "B", 2, 10.0, 5.0), ("AAA", "A", 1, 10.2, 7.0),
    ]  # fmt: skip
    assert rows["ts"].unique().sort().to_list() == [
        dt.datetime(2013, 1, 3, 14, 30, 0, part, tzinfo=dt.UTC) for part in (250_000, 750_000)
    ]


@pytest.mark.parametrize(
    ("seconds", "microsecond"),
    [("34200.000011", 11), ("34200.000019999", 19), ("34200.5", 500_000), ("34200", 0), ("34200.", 0)],
)
def test_lobster_instants_are_those_written(tmp_path, seconds, microsecond):
    file = lobster(tmp_path, BOOKS.splitlines()[0], f"{seconds},1,1,5,100000,1\n")
    rows, _ = read_books(file, source("lobster", interval_seconds=None))
    assert rows["ts"].unique().to_list() == [dt.datetime(2013, 1, 3, 14, 30, 0, microsecond, tzinfo=dt.UTC)]


@pytest.mark.parametrize(
    ("books", "messages", "error", "message"),
    [
        (BOOKS, None, MissingFileError, "AAA_.*_message_2.csv.*they hold the instants"),
        (BOOKS, MESSAGES[:24], UnreadableFileError, "one row per message.*2 rows, 1 messages"),
        (BOOKS.replace("7", "x"), MESSAGES, UnreadableFileError, "a whole CSV file of numbers"),
        (BOOKS, MESSAGES.replace("5,100000", "x"), UnreadableFileError, "message_2.csv.*a whole CSV file of numbers"),
        (BOOKS, MESSAGES.replace("34200.75", "3.4e4"), UnreadableFileError, "seconds after midnight.*found '3.4e4'"),
    ],
)
def test_lobster_files_that_do_not_fit(tmp_path, books, messages, error, message):
    with pytest.raises(error, match=message):
        read_books(lobster(tmp_path, books, messages), source("lobster"))


def test_lobster_needs_its_name(tmp_path):
    file = lobster(tmp_path, BOOKS, MESSAGES).rename(tmp_path / "books.csv")
    with pytest.raises(UnreadableFileError, match=r"a name such as AAPL_2012-06-21_.*found books\.csv"):
        read_books(file, source("lobster"))


TARDIS = "exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount\n"


def test_tardis_is_known_when_it_was_received(tmp_path):
    file = tmp_path / "book.csv"
    file.write_text(f"{TARDIS}x,AAA,1357221600000000,1357221600200000,10.2,7,10.0,5\n")
    rows, _ = read_books(file, source("tardis_snapshot", interval_seconds=None))
    assert (rows["known_at"] - rows["ts"]).unique().to_list() == [dt.timedelta(milliseconds=200)]
    # At the full second the state of 0.2 seconds before is known.
    rows, _ = read_books(file, source("tardis_snapshot", interval_seconds=0.1))
    assert best(rows) == [(pytest.approx(0.2), "A", 10.2, 7.0), (pytest.approx(0.2), "B", 10.0, 5.0)]


def test_tardis_files_that_do_not_fit(tmp_path):
    file = tmp_path / "book.csv"
    file.write_text(TARDIS.replace("asks[0].amount", "amount") + "x,AAA,1,2,1,1,1,1\n")
    with pytest.raises(MissingColumnError, match=r"asks\[0\]\.amount"):
        read_books(file, source("tardis_snapshot"))
    file.write_text(f"{TARDIS}x,AAA,1357221600000000,1357221600200000,ten,7,10.0,5\n")
    with pytest.raises(UnreadableFileError, match=r"others in \['asks\[0\]\.price'\]"):
        read_books(file, source("tardis_snapshot"))


def folder_of(folder: Path, file: Path | str, spec_format: str, **rest) -> FilesProvider:
    entry = {"path": str(file), "format": spec_format} | rest
    config = {"first_session": "2012-01-03", "last_session": "2021-12-31", "tables": {"raw.order_books": [entry]}}
    (folder / "gnosis.yaml").write_text(yaml.safe_dump(config))
    return FilesProvider(folder)


def test_books_round_the_clock_belong_to_the_next_close(tmp_path):
    # Thursday 14:00 UTC belongs to Thursday; the same time on Saturday to Monday.
    file = capture(tmp_path, (0.0, snapshot()), (2 * 86_400.0, snapshot()))
    provider = folder_of(tmp_path, file.name, "cryptofeed", book={"interval_seconds": 60})
    fetched = provider.fetch("raw.order_books", [SESSION, dt.date(2013, 1, 4), dt.date(2013, 1, 7)])
    assert fetched.frame["session"].unique().sort().to_list() == [SESSION, dt.date(2013, 1, 7)]
    assert TABLES["raw.order_books"].schema.filter(fetched.frame)[1].counts() == {}
    monday = provider.fetch("raw.order_books", [dt.date(2013, 1, 7)]).frame
    assert monday.equals(fetched.frame.filter(session=dt.date(2013, 1, 7)))


def test_what_was_set_aside_is_told_by_its_session(tmp_path):
    file = capture(tmp_path, (0.0, snapshot()), (0.5, update(("buy", "10.2", "1"))), (2 * 86_400.0, "{"))
    provider = folder_of(tmp_path, file.name, "cryptofeed", book={"interval_seconds": None})
    rejected = provider.fetch("raw.order_books", [SESSION, dt.date(2013, 1, 4), dt.date(2013, 1, 7)]).rejected
    assert rejected.select("session", "rule").sort("session", "rule").rows() == [
        (SESSION, "crossed"), (dt.date(2013, 1, 7), "line|type"), (dt.date(2013, 1, 7), "message_lost")
    ]  # fmt: skip


MAPPED = {name: name for name in ("symbol", "ts", "side", "level", "price", "size")}


@pytest.mark.parametrize(
    ("spec_format", "rest", "message"),
    [
        ("lobster", {"columns": {"symbol": "s"}}, r"format lobster for raw.order_books and without \['columns'\]"),
        ("cryptofeed", {"book": {"levels": 0}}, "book.levels: .*greater than or equal to 1"),
        ("parquet", {"book": {"levels": 5}, "columns": MAPPED}, "book applies to the formats of order books only"),
    ],
)
def test_descriptions_that_make_no_sense(tmp_path, spec_format, rest, message):
    with pytest.raises(FolderConfigError, match=message):
        folder_of(tmp_path, "x", spec_format, **rest)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "marks", "n_messages", "n_books"),
    [
        ("cryptofeed_COINBASE.ws.28.0.gz", ('"type":"l2update"', '"type":"snapshot"'), 9_729, 10),
        ("cryptofeed_KRAKEN.ws.50.0.gz", ('},"book-1000",',), 4_279, 10),
    ],
)
def test_real_captures_never_cross_and_lose_no_message(shared_data, name, marks, n_messages, n_books):
    file = shared_data / "orderbook" / name
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    assert sum(any(mark in line for mark in marks) and line[0] == "1" for line in lines) == n_messages
    books, unread = read_capture(file, 10)
    assert unread.is_empty()
    assert len(books) == n_books
    assert sum(len(book.known) for book in books) == n_messages
    for book in books:
        # Kraken's checksum held after each of its 4,269 changes; without one the rule would be set.
        assert (book.rule == "").all()
        assert (book.price[:, 0, 0] < book.price[:, 1, 0]).all()
        assert (np.nan_to_num(np.diff(book.price[:, 0], axis=1), nan=-1.0) < 0).all()
        assert (np.nan_to_num(np.diff(book.price[:, 1], axis=1), nan=1.0) > 0).all()


@pytest.mark.real_data
def test_a_changed_size_of_a_real_capture_breaks_the_checksum(shared_data, tmp_path):
    content = gzip.decompress((shared_data / "orderbook" / "cryptofeed_KRAKEN.ws.50.0.gz").read_bytes()).decode()
    lines = content.splitlines()
    place = next(n for n, line in enumerate(lines) if '"b":[["354.15000000","5.00000000"' in line)
    lines[place] = lines[place].replace('"5.00000000"', '"6.00000000"')
    (tmp_path / "capture.ws").write_text("\n".join(lines))
    books, _ = read_capture(tmp_path / "capture.ws", 10)
    broken = {book.symbol: (book.rule == "checksum").sum() for book in books if (book.rule != "").any()}
    assert broken.keys() == {"XMR/USD"}


@pytest.mark.real_data
def test_the_real_lobster_file_is_kept_as_it_is(shared_data, tmp_path):
    name = "AAPL_2012-06-21_34200000_57600000_orderbook_10.csv.gz"
    provider = folder_of(tmp_path, name, "lobster", book={"interval_seconds": None})
    provider.root = shared_data / "orderbook"
    frame = provider.fetch("raw.order_books", [dt.date(2012, 6, 21)]).frame
    books = pl.read_csv(shared_data / "orderbook" / name, has_header=False).to_numpy()
    messages = pl.read_csv(shared_data / "orderbook" / name.replace("orderbook", "message"), has_header=False)
    instants = np.floor(messages["column_0"].to_numpy() * 1e6)
    last = np.flatnonzero(np.diff(instants, append=np.inf))
    asks = frame.filter(side="A").sort("ts", "level")
    bids = frame.filter(side="B").sort("ts", "level")
    for side, start in ((asks, 0), (bids, 2)):
        np.testing.assert_allclose(side["price"].to_numpy().reshape(-1, 10), books[last, start::4] / 10_000, rtol=1e-15)
        np.testing.assert_array_equal(side["size"].to_numpy().reshape(-1, 10), books[last, start + 1 :: 4])
    opened = schedule().filter(session=dt.date(2012, 6, 21))["open_at"].item()
    assert frame["ts"].min() - opened == dt.timedelta(microseconds=4_241)
    assert frame.height == 20 * len(last) == 17_580


@pytest.mark.real_data
def test_the_real_tardis_file(shared_data, tmp_path):
    name = "nautilus_binance-futures_book_snapshot_25_BTCUSDT.csv"
    provider = folder_of(tmp_path, name, "tardis_snapshot", book={"interval_seconds": None, "levels": 25})
    provider.root = shared_data / "orderbook"
    fetched = provider.fetch("raw.order_books", [dt.date(2020, 9, 1)])
    assert fetched.frame.height == 10 * 50
    assert fetched.rejected.is_empty()
    raw = pl.read_csv(shared_data / "orderbook" / name)
    deepest = fetched.frame.filter(side="B", level=25).sort("ts")
    assert deepest["price"].to_list() == raw["bids[24].price"].to_list()
    assert deepest["known_at"].dt.epoch("us").to_list() == raw["local_timestamp"].to_list()
