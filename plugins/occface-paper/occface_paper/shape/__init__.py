"""Shape, pose, colour and light of a face by a network (paper 3.3, eq. 5-6)."""
