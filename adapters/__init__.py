"""One module per driver stack: the database work of each endpoint, and nothing else."""
