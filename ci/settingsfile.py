"""Writes what a command has made, such as a token, into the file of the settings."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ci.errors import ConfigError
from ci.settings import Config


def file_of(kind: type[Config], arguments: Sequence[str]) -> Path:
    """Name the file that is read with these flags."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", default=kind.file_name)
    return Path(parser.parse_known_args(arguments)[0].config)


def change_file(file: Path, values: Mapping[str, str]) -> None:
    """Set these keys. The file is made if it is not there; others can't read it from now on.

    Raises ConfigError.
    """
    try:
        settings = json.loads(file.read_text("utf-8")) if file.exists() else {}
        draft = file.with_name(f".{file.name}.new")
        draft.unlink(missing_ok=True)
        draft.touch(0o600)
        text = json.dumps(settings | dict(values), indent=2, ensure_ascii=False)
        draft.write_text(f"{text}\n", "utf-8")
        draft.replace(file)
    except OSError as error:
        raise ConfigError(
            f"{file}: {' and '.join(values)} can't be written to it ({error.strerror})"
        ) from error
