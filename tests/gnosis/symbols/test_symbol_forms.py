"""The canonical form: what it accepts, what it refuses, and what people type instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnosis.symbols import InvalidSymbolError, canonical, kind_of


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("A", "equity"),
        ("GOOGL", "equity"),
        ("BRK.B", "equity"),
        ("^GSPC", "index"),
        ("^VIX9D", "index"),
        ("BTC/USD", "crypto"),
        ("1INCH/USDT", "crypto"),
        ("A/USD", "crypto"),
    ],
)
def test_kinds(symbol, kind):
    assert kind_of(symbol) == kind
    assert canonical(symbol) == symbol


@pytest.mark.parametrize(
    "text",
    ["", " ", "aapl", "AAPL ", "BRK-B", "BRK/B", "BRK.BB", "BRK.", "TOOLONG", "^", "^gspc", "GSPC^", "BTC/", "/USD",
     "BTC-USD", "BTC/USD/EUR", "AAPL\n", "ÄPFEL", "O:AAPL", "I:SPX", "AAPL261218C00100000", "AAPL1", "BAC.P", "XYZ.U",
     "XYZ.W", "XYZ.R", "BACpB"],
)  # fmt: skip
def test_nonsense_is_refused(text):
    with pytest.raises(InvalidSymbolError, match=r"expected a symbol such as AAPL.*found .*: write it like this"):
        kind_of(text)


@pytest.mark.parametrize(
    ("name", "index"), [("SPX", r"\^GSPC"), ("^SPX", r"\^GSPC"), ("VIX", r"\^VIX"), ("XEO", r"\^OEX")]
)
def test_the_exchange_name_of_an_index_is_no_share(name, index):
    with pytest.raises(InvalidSymbolError, match=f"write {index}$"):
        kind_of(name)


@pytest.mark.parametrize(
    ("typed", "symbol"),
    [
        (" aapl ", "AAPL"),
        ("brk.b", "BRK.B"),
        ("BRK-B", "BRK.B"),
        ("spx", "^GSPC"),
        ("^SPX", "^GSPC"),
        ("^gspc", "^GSPC"),
        ("RUT", "^RUT"),
        ("NDX", "^NDX"),
        ("BTC-USD", "BTC/USD"),
        ("btc/usdt", "BTC/USDT"),
        ("BTCUSD", "BTC/USD"),
        ("BTCUSDT", "BTC/USDT"),
        ("ETHBTC", "ETH/BTC"),
        # Five letters are a share: only six or more can be a pair in one word.
        ("GBTC", "GBTC"),
        ("OPUSD", "OPUSD"),
    ],
)
def test_what_people_type(typed, symbol):
    assert canonical(typed) == symbol


@pytest.mark.parametrize(
    ("typed", "readings"), [("ETHBUSD", "ETH/BUSD or ETHB/USD"), ("BTCTUSD", "BTC/TUSD or BTCT/USD")]
)
def test_a_pair_in_one_word_with_two_readings_is_refused(typed, readings):
    with pytest.raises(InvalidSymbolError, match=f"found '{typed}' to be {readings}: write the pair with a slash"):
        canonical(typed)


@pytest.mark.parametrize("typed", ["", "BTCXYZ", "XEO", "-B", "BRK-", "A-B-C", "12345"])
def test_what_names_nothing_is_refused(typed):
    with pytest.raises(InvalidSymbolError):
        canonical(typed)


@given(st.text(st.sampled_from("ABTCUSD^./- 1x"), max_size=9))
def test_canonical_gives_a_symbol_that_it_keeps(text):
    try:
        symbol = canonical(text)
    except InvalidSymbolError:
        return
    kind_of(symbol)
    assert canonical(symbol) == symbol
