"""The cameras a robot has: from messages and TF to posed frames in a buffer."""
