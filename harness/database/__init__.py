"""The Postgres under the stacks: where it comes from and what is in it."""
