"""AnyViewBench and beyond: a package on episodes of a benchmark, of worlds, of real pictures."""
