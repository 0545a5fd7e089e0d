"""SQLAlchemy's pools, timing each checkout: it has no event for the wait."""

from time import perf_counter_ns

from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection, QueuePool

from adapters import checkouts


class TimedQueuePool(QueuePool):
    """A `QueuePool` whose checkouts are counted, pings and all."""

    def connect(self) -> PoolProxiedConnection:
        """Return a connection, once there is one."""
        began_ns = perf_counter_ns()
        try:
            return super().connect()
        finally:
            checkouts.record(perf_counter_ns() - began_ns)


class TimedAsyncQueuePool(AsyncAdaptedQueuePool):
    """The same of an asynchronous engine."""

    def connect(self) -> PoolProxiedConnection:
        """Return a connection, once there is one."""
        began_ns = perf_counter_ns()
        try:
            return super().connect()
        finally:
            checkouts.record(perf_counter_ns() - began_ns)
