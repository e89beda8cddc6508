"""Parts of ``benchmarks/features.py``: a made-up market, the peers, and the measuring in processes of their own."""
