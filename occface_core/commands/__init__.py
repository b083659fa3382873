"""One file a command of `occface`; what they share is in `console`, `inputs` and `settings`."""
