"""The cameras that a robot does not have: requests, placements, steering, and topics."""
