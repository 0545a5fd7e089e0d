"""Results on disk: written whole or not at all, and rebuilt from `blocks.csv` alone."""
