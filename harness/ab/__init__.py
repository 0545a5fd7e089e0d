"""`ab`: two revisions of this repository, or two sets of packages, as stacks of the same blocks."""
