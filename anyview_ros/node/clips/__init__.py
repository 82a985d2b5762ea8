"""From a question to the clip that answers it, for requests and for streams."""
