"""The pure rules of Tether, and the files that deploy it."""
