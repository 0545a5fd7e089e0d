"""`diff A B`: what changed from one run's results to another's."""
