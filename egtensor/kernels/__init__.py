"""From a program to a plan of kernels, the same for every target."""
