"""`history CELL_GLOB`: how a cell's ratio to its baseline went from commit to commit."""
