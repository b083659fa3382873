"""`python -m occface_core` is `occface`."""

from occface_core.cli import main

if __name__ == "__main__":
    main()
