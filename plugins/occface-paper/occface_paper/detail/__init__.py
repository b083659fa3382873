"""The detail recoverer (paper 3.4, eq. 7-8)."""
