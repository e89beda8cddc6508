"""Parts of ``benchmarks/options.py``: contracts, the libraries beside which gnosis is measured, and the measuring."""
