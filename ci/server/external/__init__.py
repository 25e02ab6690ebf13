"""The external storage API as a source of builds, and as where their results are told."""
