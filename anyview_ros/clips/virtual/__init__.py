"""What is asked of a virtual camera, checked."""
