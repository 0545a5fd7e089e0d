"""`report.html`: the whole run in one file that a browser opens without a network."""

from harness.results.page.document import document

__all__ = ["document"]
