"""Real processes over DDS with an injected fault each; after it everything promised holds."""
