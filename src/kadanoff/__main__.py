"""``python -m kadanoff`` is the command ``kadanoff``."""

from kadanoff.cli import main

if __name__ == "__main__":
    main()
