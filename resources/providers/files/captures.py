"""Raw websocket captures of order books, as the package cryptofeed writes them: Coinbase level2 and Kraken book."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.engines.liquidity.replay import BookMessages, BookStates, replay
from resources.providers.errors import UnreadableFileError
from resources.providers.files.book_states import NO_SNAPSHOT, States

if TYPE_CHECKING:
    from pathlib import Path

LINE = re.compile(r"(\d+(?:\.\d+)?): (.*)")
SENT = ("wss://", "https://")
"""Beginnings of the lines that say to whom a connection was made, and what was sent."""

CHECKSUM, MESSAGE_LOST = "checksum", "message_lost"
CHECKSUM_LEVELS = 10

Level = tuple[bool, str, str]
"""Side (True for ask), price and size as the venue wrote them."""


@dataclass(frozen=True)
class Change:
    """One message about one book."""

    instrument: str
    is_snapshot: bool
    levels: list[Level]
    checksum: int | None = None
    depth: int | None = None


@dataclass
class Record:
    """All messages about one book, in their order."""

    depth: int | None = None
    instants: list[int] = field(default_factory=list)
    is_snapshot: list[bool] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    levels: list[Level] = field(default_factory=list)
    checksums: list[int | None] = field(default_factory=list)
    is_lost: list[bool] = field(default_factory=list)

    def append(self, instant: int, change: Change | None) -> None:
        """Add a message; None for one that could not be read and may have been about this book."""
        self.instants.append(instant)
        self.is_snapshot.append(change is not None and change.is_snapshot)
        self.levels.extend(change.levels if change else [])
        self.starts.append(len(self.levels))
        self.checksums.append(change.checksum if change else None)
        self.is_lost.append(change is None)
        self.depth = (change.depth if change else None) or self.depth


def read_capture(file: Path, levels: int) -> tuple[list[States], pl.DataFrame]:
    """Return the states of every book after each of its messages, and the lines that could not be read.

    Raises
    ------
    UnreadableFileError
        When the file is damaged or holds no message about a book.
    """
    records: dict[str, Record] = {}
    heard: list[int] = []
    unread: list[tuple[str, int]] = []
    for line in _lines(file):
        if line.startswith(SENT) or not line:
            continue
        instant = heard[-1] if heard else 0
        found = LINE.fullmatch(line)
        try:
            if found is None:
                raise ValueError("expected an instant and a message")
            instant = max(instant, round(float(found[1]) * 1_000_000))
            change = change_of(json.loads(found[2]))
        except (ValueError, TypeError, KeyError, IndexError):
            unread.append((line[:200], instant))
            for record in records.values():
                record.append(instant, None)
            continue
        heard.append(instant)
        if change is not None:
            records.setdefault(change.instrument, Record()).append(instant, change)
    if not records:
        raise UnreadableFileError(file, "messages of Coinbase level2 or Kraken book", "none")
    days = [datetime.fromtimestamp((at or heard[0]) / 1e6, UTC).date() for _, at in unread]
    lost = pl.DataFrame(
        {"line": [text for text, _ in unread], "rule|": ["line|type"] * len(unread), "day": days},
        schema={"line": pl.String, "rule|": pl.String, "day": pl.Date},
    )
    signs = np.array(heard, dtype=np.int64)
    return [_states(name, record, signs, levels) for name, record in sorted(records.items())], lost


def change_of(message: Any) -> Change | None:
    """Return what a message says about a book, None when it is about something else.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError
        When it is about a book but cannot be read.

    Examples
    --------
    >>> change_of({"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", "100.5", "2"]]}).levels
    [(False, '100.5', '2')]
    >>> change_of([336, {"a": [["5.1", "0.0", "1.5"]], "c": "974942666"}, "book-10", "XBT/USD"]).depth
    10
    >>> change_of({"event": "heartbeat"}) is None
    True
    """
    if isinstance(message, list):
        return _kraken(message)
    if not isinstance(message, dict):
        raise TypeError(f"expected an object or a list, found {message!r}")
    kind = message.get("type")
    if kind == "snapshot":
        levels = [
            _level(is_ask, *row[:2]) for is_ask, side in ((False, "bids"), (True, "asks")) for row in message[side]
        ]
        return Change(message["product_id"], True, levels)
    if kind == "l2update":
        sides = {"buy": False, "sell": True}
        return Change(message["product_id"], False, [_level(sides[side], *rest) for side, *rest in message["changes"]])
    return None


def _kraken(message: list[Any]) -> Change | None:
    *_, channel, instrument = message
    name, _, depth = str(channel).partition("-")
    if name != "book":
        return None
    parts = {key: value for part in message[1:-2] for key, value in dict(part).items()}
    is_snapshot = "as" in parts or "bs" in parts
    keys = {"bs": False, "as": True} if is_snapshot else {"b": False, "a": True}
    levels = [_level(is_ask, *row[:2]) for key, is_ask in keys.items() for row in parts.get(key, [])]
    if not levels:
        raise ValueError("expected levels, found none")
    checksum = int(parts["c"]) if "c" in parts else None
    return Change(instrument, is_snapshot, levels, checksum, int(depth) if depth else 10)


def _level(is_ask: bool, price: str, size: str) -> Level:
    if not (0 < float(price) < float("inf") and 0 <= float(size) < float("inf")):
        raise ValueError(f"expected a price > 0 and a size >= 0, found {price} and {size}")
    return is_ask, price, size


def _states(name: str, record: Record, heard: np.ndarray, levels: int) -> States:
    is_ask, price, size = zip(*record.levels, strict=True) if record.levels else ((), (), ())
    messages = BookMessages(
        starts=np.array(record.starts, dtype=np.int64),
        is_snapshot=np.array(record.is_snapshot),
        is_ask=np.array(is_ask, dtype=bool),
        price=np.array(price, dtype=np.float64),
        size=np.array(size, dtype=np.float64),
    )
    has_checksum = any(checksum is not None for checksum in record.checksums)
    states = replay(messages, max(levels, CHECKSUM_LEVELS) if has_checksum else levels, record.depth)
    instants = np.array(record.instants, dtype=np.int64)
    rule = np.where(states.is_known, "", NO_SNAPSHOT).astype("<U12")
    broken = np.flatnonzero(_differs(record, states)) if has_checksum else np.zeros(0, dtype=np.int64)
    for reason, places in ((CHECKSUM, broken), (MESSAGE_LOST, np.flatnonzero(record.is_lost))):
        rule[(rule == "") & _since_last_snapshot(places, messages)] = reason
    return States(name, instants, instants, states.price, states.size, rule, heard)


def _since_last_snapshot(places: np.ndarray, messages: BookMessages) -> np.ndarray:
    """Return the messages with one of ``places`` between the last snapshot and themselves."""
    n = len(messages.is_snapshot)
    numbers = np.arange(n)
    snapshot = np.maximum.accumulate(np.where(messages.is_snapshot, numbers, -1))
    is_place = np.zeros(n, dtype=bool)
    is_place[places] = True
    last = np.maximum.accumulate(np.where(is_place, numbers, -1))
    return (last >= 0) & (last >= snapshot)


def _differs(record: Record, states: BookStates) -> np.ndarray:
    """Return the messages after which the book is another one than the venue's checksum says."""
    digits = [f"{_digits(price)}{_digits(size)}" for _, price, size in record.levels]
    digits.append("")  # where the book has no level, its row is -1
    differs = np.zeros(len(record.checksums), dtype=bool)
    for place, (checksum, rows) in enumerate(
        zip(record.checksums, states.rows[:, ::-1, :CHECKSUM_LEVELS].reshape(len(differs), -1).tolist(), strict=True)
    ):
        if checksum is not None:
            differs[place] = zlib.crc32("".join([digits[row] for row in rows]).encode()) != checksum
    return differs


def _digits(number: str) -> str:
    return number.replace(".", "").lstrip("0")


def _lines(file: Path) -> list[str]:
    try:
        content = file.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return content.decode().splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UnreadableFileError(file, "a whole file of text", str(error)) from error
