"""Exit codes of builds."""

from __future__ import annotations

import pytest

from ci.cli.codes import code_of
from ci.model import ENDS, Reason, Status


@pytest.mark.parametrize(
    ("status", "reason", "exit_code", "signal", "code"),
    [
        (Status.SUCCESS, Reason.EXITED, 0, None, 0),
        (Status.FAILURE, Reason.EXITED, 3, None, 3),
        (Status.FAILURE, Reason.EXITED, None, 9, 137),
        (Status.FAILURE, Reason.EXITED, 255, None, 255),
        (Status.FAILURE, Reason.EXITED, 256, None, 1),
        (Status.FAILURE, Reason.EXITED, -1073741824, None, 1),
        (Status.FAILURE, Reason.EXITED, None, None, 1),
        (Status.CANCELED, Reason.CANCELED, None, None, 123),
        (Status.ERROR, Reason.TIMEOUT, None, None, 124),
        (Status.ERROR, Reason.SILENCE, None, None, 124),
        (Status.ERROR, Reason.CHECKOUT_FAILED, None, None, 125),
    ],
)
def test_the_exit_code_says_how_a_build_ended(
    status: Status, reason: Reason, exit_code: int | None, signal: int | None, code: int
) -> None:
    """The command's own, or one of ours."""
    assert code_of(status, reason, exit_code, signal) == code


@pytest.mark.parametrize(("status", "reason"), ENDS)
def test_only_success_is_0(status: Status, reason: Reason) -> None:
    """Whatever else is known of an end, and if nothing is."""
    assert (code_of(status, reason, None) == 0) is (status is Status.SUCCESS)
