"""The pages and the JSON API: they ask `ci.server.core` and nothing else."""
