"""A recording with virtual cameras added to it: without playback, and the same every time."""
