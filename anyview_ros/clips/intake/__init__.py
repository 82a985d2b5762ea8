"""From the messages of a camera to posed frames, for the node and for recordings alike."""
