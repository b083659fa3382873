"""Synthetic faces by the batch, on any device: the same faces as `occface_core.synthetic.generate` makes."""
