"""The generator: fires HTTP requests at one server at a time and times the answers."""
