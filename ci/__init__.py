"""A continuous-integration system: one server, any number of agents, on trio."""
