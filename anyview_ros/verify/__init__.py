"""Our implementation of the joint family against numbers of the official code.

`golden.Inputs` shows the code under test the inputs of a golden file and refuses its references;
`run` compares. The layout of a directory and the tolerances: tests/golden/README.md.
"""
