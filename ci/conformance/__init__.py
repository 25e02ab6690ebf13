"""The conformance kit: holds any server, or any agent, against the contract, from outside."""
