"""What touches the world, as Temporal activities that take their ports by constructor."""
