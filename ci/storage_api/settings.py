"""StorageConfig: the settings of the stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from ci.config.kinds import Folder, Host, LogFormat, Port, Token
from ci.listen import is_loopback
from ci.settings import Config
from ci.wire.fields import no_bool
from ci.wire.token import bare_token

Chance = Annotated[float, BeforeValidator(no_bool), Field(ge=0, le=1)]
Wait = Annotated[float, BeforeValidator(no_bool), Field(ge=0, le=3600)]


class StorageConfig(Config):
    """What may be set."""

    file_name = "storage-conf.json"
    variable_prefix = "CI_STORAGE_"
    program = "python -m ci.storage_api"

    port: Port = Field(8090, description="port of the API; 0 takes any free one")
    host: Host = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    api_token: Annotated[Token | None, BeforeValidator(bare_token)] = Field(
        None, description="secret that clients show as Authorization: Bearer TOKEN"
    )
    data_dir: Folder = Field(Path("data/storage"), description="folder of the whole state")
    unstable: Chance = Field(
        0, description="share of the calls, 0 to 1, answered 500: half of them after the change"
    )
    slow: Wait = Field(0, description="each answer takes up to so many seconds")
    log_format: LogFormat = Field("text", description="of the log lines: text, or json")

    @model_validator(mode="after")
    def _check_reach(self) -> StorageConfig:
        if self.api_token is None and not is_loopback(self.host):
            raise ValueError(f"other machines reach {self.host}, which needs an apiToken")
        return self
