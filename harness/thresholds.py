"""Every number that decides whether a measurement is believed, with its reason."""

CONFIDENCE = 0.95
"""Of every interval. The customary level, so that a reader need not look it up."""

SAME_WITHIN = 0.03
"""Ratios this close to 1 are a tie: nobody changes a driver for less."""

RATIO_DRIFT = 0.15
"""Of how far a ratio is from 1, on the log scale: what another hour may do to it, all blocks of a
run alike. In eight hours SQLAlchemy's ratio to asyncpg scattered by 0.055 of that from run to run
(docs/validation.md), so two runs differ by more than this one time in twenty."""

WANDER_LEAST_BLOCKS = 8
"""Of fewer, whether they are independent cannot be told: even a steady climb may be chance."""

P99_MIN_REQUESTS = 1_000
"""Per block. Below it fewer than ten answers stand above p99, and it is one slow answer's luck."""

ERROR_PCT_FLAG = 0.1
"""Above it failures are worth a word beside the number: one in a thousand is no accident, and
what an SLO commonly allows."""

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

LATE_MS = 1.0
"""A request of an open loop that is written later than this after it was due is late, for want
of a connection or of the generator: several times what an idle generator's timer needs."""

SCHEDULE_LAG = 0.10
"""p99 of how late an open loop's requests were written, where a connection was free, as a
share of the stack's p99 latency (p95 where p99 is blank): that much of it may be the
generator's."""

RATE_KEPT = 0.97
"""Good answers a second of an open loop, as a share of the requests due. A stack below it did
not keep the rate: its queue grows with time, and its latency is that of the queue."""
GENERATOR_BUSY_WANTED = 0.70
"""At most, of each generator when their number is ours to choose: below the flag by as much as
a block may differ from the last."""

GENERATOR_LAG_MS = 1.0
"""p99 of how long a ready answer waited for the generator: it is added to every latency."""

GENERATOR_LAG_INVALID_MS = 10.0
"""p99 of that, or of how late the generator's timer was served. A turn behind a database
backend on the same core is a slice of the scheduler, 1 to 4 ms; ten come of a generator that
wants a CPU and does not get one, and latencies are then its own."""

FOREIGN_CPU_CORES = 0.10
"""CPU of processes that are not the run's. A tenth of a core taken from one of a few is a
difference of several per cent in what is left, as large as those that are looked for."""

STEAL_PCT = 2.0
"""Of the machine's time, given to others by its hypervisor: it comes in bursts, so that the
slices it hits lose far more, and nothing here can see whose they were."""

DB_CPU_LEAST_US = 5.0
"""Per good answer. The shortest statement costs a backend two system calls and an execution,
15 us on a fast machine: a stack whose backends used less did not ask for most of its answers."""

DISTANCE_OFF = 0.10
"""Of the round-trip time that was asked for, by which the one that was measured may differ. Drivers
differ by whole round trips: a tenth of one leaves them in their order."""

DRIFT = 0.10
"""req/s of the last third of the slices against the first, as a fraction, beyond what their
scatter explains: a cell that still speeds up or slows down by more was not warm, its server
is degrading, or the machine changed under it."""

MIN_WINDOW_S = 0.05
"""A block whose windows are shorter than this in all has measured start-up, not load."""

SLO_ERROR_PCT = 0.1
"""More failed requests than this break an SLO, however fast the others were answered."""

SLO_ABOVE_PROBE = 3
"""Answers that a probe wants above the SLO's percentile (p99: 300 in all). The rule of three:
if all of so many keep the limit, fewer than 1 % do not, with 95 % confidence."""

SLO_ABOVE_ANSWER = 10
"""Answers that a verification lasts for, for the reason of `P99_MIN_REQUESTS`; where a server
is too slow for that it must have `SLO_ABOVE_PROBE` of them, or it proves nothing."""

RSS_GREW = 0.10
"""Growth that `diff --fail-on rss` fails on unless told otherwise. Memory hardly scatters, so
that a tenth of a per cent is proven; below a tenth nobody buys a larger machine."""
