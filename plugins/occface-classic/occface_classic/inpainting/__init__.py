"""Completion of hidden pixels from the visible ones of the same photo."""
