"""One block: fresh servers for every stack of a setting, verified, loaded, observed, stopped."""

from harness.block.answers import Live, Refused
from harness.block.measure import measure, verify
from harness.block.replication import application_name

__all__ = ["Live", "Refused", "application_name", "measure", "verify"]
