"""The smallest occface plugin. Nothing heavy is imported here."""
