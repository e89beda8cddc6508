"""The volatility surface: SVI and SSVI, their fit, and the certificate that it is free of arbitrage."""
