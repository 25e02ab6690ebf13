"""The server: queue, fleet of agents, history."""
