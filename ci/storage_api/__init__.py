"""A stand-in for the external storage API: the same calls, with a small store of its own."""
