"""dlib's landmark detector as a stage of occface. Nothing heavy is imported here."""
