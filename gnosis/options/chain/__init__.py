"""A chain: cleaning, time, rates, forwards, volatility and Greeks of every quoted contract."""
