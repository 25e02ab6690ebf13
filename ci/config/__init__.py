"""What may be set: the server's settings, and an agent's.

How they are read, and where each may be set, is in `ci/settings.py`.
"""

from ci.config.agent import AgentConfig
from ci.config.server import ServerConfig

__all__ = ["AgentConfig", "ServerConfig"]
