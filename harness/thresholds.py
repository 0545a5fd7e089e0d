"""Every number that decides whether a measurement is believed, with its reason."""

CONFIDENCE = 0.95
"""Of every interval. The customary level, so that a reader need not look it up."""

SAME_WITHIN = 0.03
"""Ratios this close to 1 are a tie: nobody changes a driver for less."""

P99_MIN_REQUESTS = 1_000
"""Per block. Below it fewer than ten answers stand above p99, and it is one slow answer's luck."""

MAX_ERROR_PCT = 1.0
"""Above it a cell's errors are its result: req/s of what was left says nothing of speed."""

LITTLES_LAW = (0.95, 1.02)
"""Throughput x mean latency / concurrency of a closed loop. Outside it latency or rate was
miscounted: wrk's issue 114 and the-benchmarker's 9775 show what that looks like.
Widened by the mean latency as a share of a window: what is under way at its two edges
does not cancel exactly, and a window of a slow server holds no more than 20 latencies."""

GENERATOR_BUSY_FLAG = 0.80
GENERATOR_BUSY_INVALID = 0.95
"""Share of its core the generator used. Near all of it, it measures itself, not the server."""

GENERATOR_BUSY_WANTED = 0.70
"""At most, of each generator when their number is ours to choose: below the flag by as much as
a block may differ from the last."""

GENERATOR_LAG_MS = 1.0
"""p99 of how long a ready answer waited for the generator: it is added to every latency."""

DRIFT = 0.10
"""req/s of the last third of the slices against the first, as a fraction, beyond what their
scatter explains: a cell that still speeds up or slows down by more was not warm, its server
is degrading, or the machine changed under it."""

MIN_WINDOW_S = 0.05
"""A block whose windows are shorter than this in all has measured start-up, not load."""
