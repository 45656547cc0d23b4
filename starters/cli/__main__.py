"""`python -m tether.starters.cli` is `tether`."""

from tether.starters.cli.main import main

main()
