"""Face parsing and the matting that stands on it (paper 3.2)."""
