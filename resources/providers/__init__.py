"""Providers: where the rows of the raw tables come from. One module or folder per provider."""

from resources.providers.protocol import Fetched, Provider, Source

__all__ = ["Fetched", "Provider", "Source"]
