"""What touches the world: model calls and tools, over real sockets."""
