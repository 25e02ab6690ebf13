"""Figures say what the samples say, and two results are compared without rashness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import compare
from bench.figures import Figure, figure, is_better_high, join

MACHINE = {
    "commit": "abc",
    "changed": False,
    "cores": 2,
    "processor": "one",
    "kernel": "6",
    "python": "3.11.7",
    "disk": "ext4",
    "sandbox": "auto",
    "load_before": 0.1,
    "load_after": 1.5,
    "others_cores": 0.25,
}
KEY = ("one", "usual", "end_ms")


def test_a_figure_of_many_samples() -> None:
    """Percentiles are those of all, the spread is that of the medians of five parts in a row."""
    assert figure([float(n) for n in range(1, 102)]) == Figure(
        median=51, low=10.5, high=91, count=101, p95=96, p99=100, worst=101
    )


def test_a_figure_of_few_samples() -> None:
    """Each is a part of its own, and there are no percentiles."""
    assert figure([3.0, 1.0, 2.0]) == Figure(median=2, low=1, high=3, count=3)
    assert figure([3.0]).as_json() == {"median": 3, "low": 3, "high": 3, "count": 1}


def test_one_slow_sample_moves_no_spread() -> None:
    """One pause of the machine in a hundred samples is seen in the worst alone."""
    samples = [10.0] * 99 + [5000.0]
    found = figure(samples)
    assert (found.low, found.high, found.worst) == (10, 10, 5000)


def test_runs_are_joined() -> None:
    """The spread reaches over all of them, the median is the one in the middle."""
    runs = [figure([1.0, 2.0]), figure([5.0, 6.0]), figure([3.0])]
    assert join(runs) == Figure(median=3, low=1, high=6, count=5)
    assert join(runs[:1]) is runs[0]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("end_ms", [10.0, 12.0], [11.0, 14.0], compare.SAME),
        ("end_ms", [10.0, 12.0], [7.0, 9.0], "better"),
        ("end_ms", [10.0, 12.0], [13.0, 14.0], "WORSE"),
        ("builds_per_s", [10.0, 12.0], [13.0, 14.0], "better"),
        ("builds_per_s", [10.0, 12.0], [7.0, 9.0], "WORSE"),
        ("end_ms", [10.0, 12.0], [1.0], compare.UNKNOWN),
    ],
)
def test_what_a_difference_says(name: str, old: list[float], new: list[float], said: str) -> None:
    """It counts only beyond both spreads, and more is better only of what is done in a second."""
    assert is_better_high(name) == (name == "builds_per_s")
    assert compare.verdict(("one", "usual", name), figure(old), figure(new)) == said


def test_the_table_names_what_only_one_has() -> None:
    """Nothing is left out in silence."""
    old = {KEY: figure([10.0, 12.0]), ("burst", "whole", "a_ms"): figure([1.0])}
    lines = list(
        compare.table(old, {KEY: figure([5.0, 5.5]), ("idle", "usual", "b_mb"): figure([2])})
    )
    assert lines[1].split() == [
        "one",
        "end_ms",
        "11",
        "(10..12)",
        "5.25",
        "(5..5.5)",
        "0.48",
        "better",
    ]
    assert lines[2:] == [
        "burst a_ms (whole): only in old: 1 (1..1)",
        "idle b_mb: only in new: 2 (2..2)",
    ]


def test_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs in one file are joined, and a machine that is another one is told."""

    def line(commit: str, cores: int, *samples: float) -> str:
        machine = MACHINE | {"commit": commit, "cores": cores}
        figures = {"end_ms": figure(samples).as_json()}
        return json.dumps(
            {"measure": "one", "size": "usual", "figures": figures, "machine": machine}
        )

    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_text(f"{line('abc', 2, 10)}\n{line('abc', 2, 12)}\n", encoding="utf-8")
    new.write_text(f"{line('def', 4, 5, 6)}\n", encoding="utf-8")
    assert compare.main([str(old), str(new)]) == 0
    said = capsys.readouterr().out
    assert "old: abc; load average 0.1 to 1.5\n  others have used up to 0.25 cores" in said
    assert "cores differs: 2; now 4" in said
    assert "11 (10..12)" in said
    assert said.endswith("better\n")
