"""`python -m shem` and the `shem` command."""

import sys

__all__ = ["main"]

# As shells say it of a command that SIGINT has ended.
_INTERRUPTED = 130


def main() -> None:
    """Run the command line. Ctrl-C ends it quietly, also while it is still being imported."""
    try:
        from shem.cli.app import main as run  # noqa: PLC0415 - see above

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
