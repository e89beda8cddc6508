"""The code location of Gnosis: definitions, settings and the command line."""
