"""A page on localhost: see the cameras of a recording, drag a virtual one, see what it sees."""
