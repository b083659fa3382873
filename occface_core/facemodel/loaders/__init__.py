"""Readers of face models that users obtain themselves; nothing in their files is executed."""
