"""People: their accounts, sessions, API tokens, and the log of what they did."""
