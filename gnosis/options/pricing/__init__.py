"""Pricing of single contracts and arrays: implied volatility, price and Greeks, American exercise."""
