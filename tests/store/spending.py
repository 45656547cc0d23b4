"""`python -m tests.store.spending URL TASKS SEED`: many runs at once that spend on one scope until it has no money.

Prints what their charges add up to, as they were told by the ledger that they may spend it.
"""

from __future__ import annotations

import asyncio
import random
import sys

from tests.store.bookkeeping import Bookkeeping, Run, reserved
from tether.budget.books import StaleDraw

NEED = 977


async def spend(here: Bookkeeping, run: Run, chance: random.Random) -> int:
    """Draw, spend a part of it, say so twice or late now and then, until refused; what was spent."""
    spent = 0
    drawn = await run.draw(need=NEED, spare=5 * NEED)
    while drawn.granted:
        number = run.number
        amount = chance.randint(0, drawn.granted)
        spent += amount
        charges = (run.charge(amount, draw=number),)
        flying = (reserved(chance.randint(0, drawn.granted - amount), number),)
        asked = run.draws(need=NEED, spare=5 * NEED, charges=charges, in_flight=flying)
        drawn = await here.ledger.draw(asked)
        if chance.random() < 0.2 and drawn.granted:
            assert await here.ledger.draw(asked) == drawn
        if chance.random() < 0.1 and number > 1:
            late = run.draws(number=number - 1, charges=charges)
            try:
                await here.ledger.draw(late)
            except StaleDraw:
                continue
            raise AssertionError("a stale draw was taken")
    final = run.draws(final=True)
    await here.ledger.draw(final)
    await here.ledger.draw(final)
    return spent


async def main(url: str, tasks: int, seed: int) -> int:
    """All of them at once; what they spent together."""
    chance = random.Random(seed)  # noqa: S311  to be repeated
    async with Bookkeeping(url, pool=32, within=30) as here:
        runs = [here.run(f"p{seed}-{number}", "user:anna", "agent:desk") for number in range(tasks)]
        return sum(await asyncio.gather(*(spend(here, run, random.Random(chance.random())) for run in runs)))  # noqa: S311


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201  for its parent
