"""The table: an arm, what it carries, a room, and cameras around."""
