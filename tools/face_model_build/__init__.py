"""The steps that turn CC0 MakeHuman data into the embedded face model (maintainers only)."""
