"""AnyViewBench: any model package on a benchmark's episodes, or on worlds whose truth is known."""
