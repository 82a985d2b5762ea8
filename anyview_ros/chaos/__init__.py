"""A fault laboratory: faults with a begin and an end, and a watcher of what was promised."""
