"""From a record to a verified file: the sources, their order, and what is told meanwhile."""
