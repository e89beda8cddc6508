"""One picture per table that a person would rather look at than read, one module per room.

Each function returns PNG bytes, or None when there is nothing to show.
"""
