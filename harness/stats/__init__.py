"""Observations -> summaries and comparisons. Pure; SciPy does the quantiles.

The block is the unit of replication: seconds and requests inside one are
autocorrelated and are never `n` (Kalibera & Jones 2013). Blocks of one setting were
measured together, so stacks are compared within them: the mean of the logs of the
blocks' ratios, with a t interval, exponentiated.
"""

from harness.stats.comparison import compare, comparisons
from harness.stats.course import bound, bounds, course
from harness.stats.family import holm
from harness.stats.interval import Interval, log_interval, log_intervals
from harness.stats.metric import MORE_IS_BETTER, by_block, metrics
from harness.stats.sample import sample
from harness.stats.summary import by_cell, spoken_for, summaries, summarise
from harness.stats.verdict import blocks_to_go
from harness.stats.wander import ROUNDING, wanders

__all__ = [
    "MORE_IS_BETTER",
    "ROUNDING",
    "Interval",
    "blocks_to_go",
    "bound",
    "bounds",
    "by_block",
    "by_cell",
    "compare",
    "comparisons",
    "course",
    "holm",
    "log_interval",
    "log_intervals",
    "metrics",
    "sample",
    "spoken_for",
    "summaries",
    "summarise",
    "wanders",
]
