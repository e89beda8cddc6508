"""How each provider writes a symbol: the table, the way back, and what cannot be said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnosis.symbols import PROVIDERS, InvalidSymbolError, UnmappedSymbolError, from_provider, kind_of, to_provider
from gnosis.symbols.forms import CRYPTO, EQUITY, INDEX_ALIASES
from gnosis.symbols.roots import INDEX_CHAINS

SYMBOLS = ("AAPL", "BRK.B", "^GSPC", "^VIX", "^RUT", "^IXIC", "BTC/USD", "BTC/USDT")
WRITTEN = {
    "alpaca": ("AAPL", "BRK.B", None, None, None, None, "BTC/USD", "BTC/USDT"),
    "alpha_vantage": ("AAPL", "BRK-B", None, None, None, None, None, None),
    "cboe": ("AAPL", "BRK.B", "_SPX", "_VIX", "_RUT", None, None, None),
    "ccxt": (None, None, None, None, None, None, "BTC/USD", "BTC/USDT"),
    "finra": ("AAPL", "BRK/B", None, None, None, None, None, None),
    "fred": (None, None, "SP500", "VIXCLS", None, "NASDAQCOM", None, None),
    "massive": ("AAPL", "BRK.B", "I:SPX", "I:VIX", "I:RUT", "I:COMP", "X:BTCUSD", None),
    "polygon": ("AAPL", "BRK.B", "I:SPX", "I:VIX", "I:RUT", "I:COMP", "X:BTCUSD", None),
    "stocktwits": ("AAPL", "BRK.B", None, None, None, None, "BTC.X", None),
    "yahoo": ("AAPL", "BRK-B", "^GSPC", "^VIX", "^RUT", "^IXIC", "BTC-USD", None),
}
KNOWN_INDICES = sorted({symbol for spelling in PROVIDERS.values() for symbol in spelling.indices})


def is_symbol(text: str) -> bool:
    try:
        kind_of(text)
    except InvalidSymbolError:
        return False
    return True


symbols = st.one_of(
    st.from_regex(EQUITY, fullmatch=True),
    st.sampled_from(KNOWN_INDICES),
    st.from_regex(CRYPTO, fullmatch=True),
    st.tuples(st.sampled_from(["BTC", "ETH", "SHIB", "UNI", "1INCH"]), st.sampled_from(["USD", "EUR", "USDT"])).map(
        "/".join
    ),
).filter(is_symbol)


def test_every_provider_is_in_the_table():
    assert sorted(WRITTEN) == sorted(PROVIDERS)


@pytest.mark.parametrize("provider", sorted(WRITTEN))
def test_the_table_both_ways(provider):
    for symbol, text in zip(SYMBOLS, WRITTEN[provider], strict=True):
        if text is None:
            with pytest.raises(UnmappedSymbolError, match="cannot express: ask another provider"):
                to_provider(symbol, provider)
        else:
            assert to_provider(symbol, provider) == text
            assert from_provider(text, provider) == symbol


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
@given(symbol=symbols)
def test_the_way_back_is_the_symbol_wherever_there_is_a_way(provider, symbol):
    try:
        text = to_provider(symbol, provider)
    except UnmappedSymbolError:
        return
    assert from_provider(text, provider) == symbol


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
@given(text=st.text(st.sampled_from("ABTCUSDX^./-_:I1a"), max_size=9))
def test_what_is_read_is_written_the_same(provider, text):
    try:
        symbol = from_provider(text, provider)
    except UnmappedSymbolError:
        return
    assert to_provider(symbol, provider) == text


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_two_indices_never_share_a_name(provider):
    names = list(PROVIDERS[provider].indices.values())
    assert len(set(names)) == len(names)
    assert all(kind_of(symbol) == "index" for symbol in PROVIDERS[provider].indices)


@pytest.mark.parametrize(
    ("symbol", "provider"),
    [
        ("UNI/USD", "yahoo"),  # UNI-USD is another coin there
        ("BTC.X", "stocktwits"),  # would read back as the coin
        ("SHIB/BUSD", "massive"),
        ("^UNHEARD", "yahoo"),
        ("^XEO", "cboe"),
    ],
)
def test_no_name_is_guessed(symbol, provider):
    with pytest.raises(UnmappedSymbolError):
        to_provider(symbol, provider)


@pytest.mark.parametrize(
    ("text", "provider"),
    [("BACpB", "finra"), ("SPX", "massive"), ("I:XXXX", "massive"), ("BRK.B", "yahoo"), ("BTC/USDT:USDT", "ccxt"),
     ("UNI7083-USD", "yahoo"), ("_XXX", "cboe"), ("", "alpaca"), ("GDP", "fred")],
)  # fmt: skip
def test_a_text_of_another_kind_is_refused(text, provider):
    with pytest.raises(UnmappedSymbolError, match=f"expected a symbol as {provider} writes it, found '{text}'"):
        from_provider(text, provider)


def test_dollars_and_a_coin_that_follows_the_dollar_are_two_instruments():
    for provider in PROVIDERS:
        texts = set()
        for symbol in ("BTC/USD", "BTC/USDT"):
            try:
                texts.add((symbol, to_provider(symbol, provider)))
            except UnmappedSymbolError:
                continue
        assert len({text for _, text in texts}) == len(texts)


def test_the_provider_must_be_known_and_the_symbol_canonical():
    with pytest.raises(ValueError, match=r"expected one of the providers alpaca, .*, found 'quandl'"):
        to_provider("AAPL", "quandl")
    with pytest.raises(ValueError, match="found 'quandl'"):
        from_provider("AAPL", "quandl")
    with pytest.raises(InvalidSymbolError, match=r"write \^GSPC"):
        to_provider("SPX", "yahoo")


def test_every_name_of_an_index_leads_to_one_that_some_provider_has():
    assert set(INDEX_ALIASES.values()) <= set(KNOWN_INDICES)
    assert set(INDEX_CHAINS) - set(INDEX_ALIASES) == {"XEO"}
