"""Stages without learned weights: one file a stage, found through this distribution's entry points."""
