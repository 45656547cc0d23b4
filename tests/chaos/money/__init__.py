"""Many runs on one cap, whose workers die: what was really served never passes it."""
