"""Operators that read and write at computed places."""
