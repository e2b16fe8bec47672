"""What Restate runs in the comparison; it needs Restate's SDK, not Shem."""

import random

import restate

counter = restate.VirtualObject("Counter")


@counter.handler()
async def add(context: restate.ObjectContext, number: int) -> int:
    """Keep a sum per key."""
    total = (await context.get("total", type_hint=int) or 0) + number
    context.set("total", total)
    return total


@counter.handler()
async def roll(context: restate.ObjectContext, _number: int) -> int:
    """One side effect, recorded."""
    return await context.run_typed("draw", lambda: random.randrange(1 << 31))


caller = restate.VirtualObject("Caller")


@caller.handler()
async def one(context: restate.ObjectContext, number: int) -> int:
    """Call the counter of the same name and wait."""
    return await context.object_call(add, key=context.key(), arg=number)


app = restate.app([counter, caller])
