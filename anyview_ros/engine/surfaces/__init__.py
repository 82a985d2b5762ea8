"""Where surfaces are, which of them a target shows, and their colours."""
