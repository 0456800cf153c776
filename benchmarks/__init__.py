"""Measure egtensor next to other array compilers on one machine; see README.md."""
