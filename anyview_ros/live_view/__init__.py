"""A running node in the browser: what it says, and what people ask of it."""
