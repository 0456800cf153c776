"""From a plan to C, and from C to a compiled function."""
