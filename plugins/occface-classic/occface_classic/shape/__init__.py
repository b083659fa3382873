"""Parametric shape, pose and light by fitting."""
