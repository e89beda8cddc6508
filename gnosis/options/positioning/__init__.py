"""Dealer positioning: exposures, sign conventions and their bands, zero gamma, walls."""
