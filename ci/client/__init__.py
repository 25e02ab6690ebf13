"""A client of the server's JSON API, for trio.

async with open_client("https://ci.example.org", token="nci_…") as ci:
    build = await ci.submit(commit="main", command="make test")
    async for news in ci.follow(build.number):
        ...
"""

from ci.client.client import Client, LogPiece, Wanted, open_client
from ci.client.errors import AnswerLost, ApiRefused

__all__ = ["AnswerLost", "ApiRefused", "Client", "LogPiece", "Wanted", "open_client"]
