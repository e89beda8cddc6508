"""Terms of option roots: settlement and exercise as the exchanges publish them."""

from __future__ import annotations

import polars as pl
import pytest

from gnosis.symbols import INDEX_CHAINS, ROOTS, chain_symbol, kind_of, root_terms


def terms_of(*roots: str | None) -> list[dict[str, object]]:
    frame = pl.DataFrame({"root": roots}, schema={"root": pl.String})
    return frame.select(root_terms("root").alias("terms"))["terms"].to_list()


@pytest.mark.parametrize(
    ("root", "chain", "underlying", "settlement", "style"),
    [
        ("SPX", "SPX", "^GSPC", "am", "E"),
        ("SPXW", "SPX", "^GSPC", "pm", "E"),
        ("NDX", "NDX", "^NDX", "am", "E"),
        ("NDXP", "NDX", "^NDX", "pm", "E"),
        ("RUT", "RUT", "^RUT", "am", "E"),
        ("RUTW", "RUT", "^RUT", "pm", "E"),
        ("VIX", "VIX", "^VIX", "am", "E"),
        ("VIXW", "VIX", "^VIX", "am", "E"),
        ("XSP", "XSP", "^XSP", "pm", "E"),
        ("OEX", "OEX", "^OEX", "pm", "A"),
        ("XEO", "XEO", "^OEX", "pm", "E"),
        ("SPY", "SPY", "SPY", "pm", "A"),
        ("BRKB", "BRK.B", "BRK.B", "pm", "A"),
    ],
)
def test_terms(root, chain, underlying, settlement, style):
    expected = {"chain": chain, "underlying": underlying, "settlement": settlement, "style": style}
    assert terms_of(root) == [expected | {"is_adjusted": False}]


def test_adjusted_contracts_keep_a_chain_of_their_own():
    (terms,) = terms_of("AAPL1")
    assert (terms["chain"], terms["underlying"], terms["is_adjusted"]) == ("AAPL1", "AAPL", True)


def test_an_unknown_root_has_unknown_terms():
    assert terms_of(None) == [dict.fromkeys(("chain", "underlying", "settlement", "style", "is_adjusted"))]


def test_chains_of_indices():
    names = ("DJX", "MRUT", "MXEA", "MXEF", "NDX", "OEX", "RUT", "SPX", "VIX", "XEO", "XND", "XSP")
    assert names == INDEX_CHAINS
    assert {name: chain_symbol(f"^{name}") for name in names if name not in ("SPX", "XEO")} == {
        name: name for name in names if name not in ("SPX", "XEO")
    }
    assert [chain_symbol(symbol) for symbol in ("^GSPC", "BF.B", "MSFT")] == ["SPX", "BF.B", "MSFT"]


def test_every_underlying_is_canonical():
    assert {kind_of(root.underlying) for root in ROOTS.values()} == {"index", "equity"}
