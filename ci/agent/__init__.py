"""The agent: takes an attempt, checks the commit out, runs the command, sends back the result."""
