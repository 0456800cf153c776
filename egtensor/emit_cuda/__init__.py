"""From a plan to CUDA, and from CUDA to a compiled function."""
