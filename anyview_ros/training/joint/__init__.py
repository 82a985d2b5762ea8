"""Family `joint`: the released AnyView network (arXiv 2601.16982), number for number."""
