"""The protocol between server and agent, both directions: one file a message."""
