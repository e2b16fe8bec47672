"""`python -m shem` and the `shem` command."""

from shem.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
