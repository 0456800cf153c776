"""Compile the runtime with the package; everything else stands in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["egtensor/emit_c/runtime_build.py:ffi"])
