"""Workers that are killed, frozen and cut off at every point of a call, and what became of the effects."""
