"""All commands: importing this registers them, in the order in which the help shows them."""

from tether.starters.cli import dev, setup, worker, run, resume, look, approvals, answer, histories  # noqa: F401, I001  the order is the help's
from tether.starters.cli import policy, budget, reconcile, circuits, store  # noqa: F401  likewise
