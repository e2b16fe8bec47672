"""What the engine must know of core modules: names, types and state, never code."""
