"""Benchmarks Postgres driver stacks in paired, interleaved blocks."""

__version__ = "0.1.0"
