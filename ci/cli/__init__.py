"""The command `ci`: what people and scripts ask of a server from a terminal."""
