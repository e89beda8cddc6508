"""One name per instrument: the form that every table writes, and how each provider says it.

A symbol is written like this in every table:

============  ===========================  ==========================================================================
kind          example                      rule
============  ===========================  ==========================================================================
equity, fund  ``AAPL``, ``BRK.B``          one to five letters; a share class follows a dot
index         ``^GSPC``, ``^VIX``          caret and the house's name; ``^GSPC`` is the S&P 500, ``^SPX`` its alias
crypto pair   ``BTC/USD``, ``BTC/USDT``    base and quote; dollars and a coin that follows the dollar are not the same
contract      ``SPXW261218P04500000``      root, expiry, right and strike as the Options Clearing Corporation writes
============  ===========================  ==========================================================================

Units, warrants, rights and preferred shares have no form here: every provider writes them in its own way.
"""

from gnosis.symbols.forms import InvalidSymbolError, UnmappedSymbolError, canonical, kind_of
from gnosis.symbols.occ import contract_fields, format_contracts, parse_contracts
from gnosis.symbols.providers import PROVIDERS, from_provider, to_provider
from gnosis.symbols.roots import INDEX_CHAINS, ROOTS, OptionRoot, chain_symbol, root_terms

__all__ = [
    "INDEX_CHAINS",
    "PROVIDERS",
    "ROOTS",
    "InvalidSymbolError",
    "OptionRoot",
    "UnmappedSymbolError",
    "canonical",
    "chain_symbol",
    "contract_fields",
    "format_contracts",
    "from_provider",
    "kind_of",
    "parse_contracts",
    "root_terms",
    "to_provider",
]
