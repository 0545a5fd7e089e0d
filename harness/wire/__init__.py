"""The Postgres protocol seen from between a client and its server."""
