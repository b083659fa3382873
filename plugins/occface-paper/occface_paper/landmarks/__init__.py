"""68 landmarks by the paper's MobileNetV3 network (MATHS §1, eq. 1)."""
