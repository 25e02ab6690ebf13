"""Secrets on their way: only the holder of the credential reads them, for that attempt and name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.errors import Rejected
from ci.wire.sealed import open_secrets, seal_secrets

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
JOB: dict[str, Any] = {
    "id": "7.1.1",
    "command": "make",
    "secrets": [{"name": "TOKEN", "value": "s3cr3t-value", "branches": ["main"]}],
}


def sealed(**changed: Any) -> dict[str, Any]:
    """A sealed body, of which something is changed on the way."""
    job = seal_secrets(JOB, "nca_oak.1")
    (secret,) = job["secrets"]
    return {**job, "secrets": [secret | changed.pop("secret", {})], **changed}


@given(id=TEXT, name=TEXT, value=TEXT, credential=TEXT)
def test_the_holder_reads_it(id: str, name: str, value: str, credential: str) -> None:
    """All else is as it was."""
    job = {"id": id, "command": "x", "secrets": [{"name": name, "value": value, "branches": ["*"]}]}
    body = json.dumps(seal_secrets(job, credential)).encode()
    assert json.loads(open_secrets(body, credential)) == job


def test_it_is_not_to_be_read_on_the_way() -> None:
    """And never looks the same twice."""
    assert "s3cr3t" not in json.dumps(sealed())
    assert sealed() != sealed()


@pytest.mark.parametrize(
    ("changed", "credential"),
    [
        ({}, None),
        ({}, "nca_elm.1"),
        ({"id": "8.1.1"}, "nca_oak.1"),
        ({"secret": {"name": "OTHER"}}, "nca_oak.1"),
        ({"secret": {"sealed": "%"}}, "nca_oak.1"),
        ({"secret": {"sealed": ""}}, "nca_oak.1"),
        ({"secret": {"sealed": 7}}, "nca_oak.1"),
        ({"secret": {"sealed": "AAAA"}}, "nca_oak.1"),
    ],
)
def test_nobody_else_opens_it(changed: dict[str, Any], credential: str | None) -> None:
    """Nor is it taken for another attempt, or under another name."""
    with pytest.raises(Rejected) as caught:
        open_secrets(json.dumps(sealed(**changed)).encode(), credential)
    assert caught.value.field == "secrets"


@pytest.mark.parametrize(
    "body", [b"", b'{"sealed"', b'["sealed"]', b'{"secrets": "sealed", "sealed": 1}']
)
def test_what_is_no_job_is_left_to_its_reader(body: bytes) -> None:
    """Who says what is wrong with it."""
    assert open_secrets(body, "nca_oak.1") == body
