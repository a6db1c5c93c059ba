"""The kind `dynamics.entropy-production`: the reader's own file, and bounds that hold for the observer."""

from __future__ import annotations

import numpy as np
import pytest

from kadanoff.dynamics import (
    Jumps,
    Milestones,
    Record,
    ResolvedTransitions,
    StateLumps,
    hidden_dissipation,
    record,
    ring,
    simulate_jumps,
    split,
)
from kadanoff.dynamics.studies.entropy_production import EntropyProduction, entropy_production_of_data, read_record
from kadanoff.dynamics.studies.hidden_cycle import HARUNARI
from kadanoff.maps import Map
from kadanoff.study import Run


def run(path, observer, **settings):
    config = EntropyProduction.model_validate({"sequence": path, "observer": observer, **settings})
    return entropy_production_of_data(config, Run())


def test_lumps_with_times(tmp_path):
    """Names for states, rows of one state joined, a comment; the same numbers as from the trajectory."""
    path = simulate_jumps(ring(3, 4, 1), jumps=60_000, seed=1)
    lines = [
        "# state time",
        *(f"{'free' if s == 0 else 'bound'} {t!r}" for s, t in zip(path.states, path.dwells.tolist(), strict=True)),
    ]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    result = run(tmp_path / "a.txt", "state lumps")
    direct = hidden_dissipation(path, StateLumps(Map.groups([1, 0, 0])))  # bound is 0 in the alphabet, free 1
    assert result.reported["dwell_bound.0"].value == pytest.approx(direct["dwell_bound.0"].value, rel=1e-9)
    assert "excludes zero" in result.verdict.text
    assert result.reported["dwell_bound.0"].estimate.unit == "nat/s"
    assert result.verdict.passed is True


def test_steps_without_times(tmp_path):
    np.savetxt(tmp_path / "a.txt", np.random.default_rng(2).integers(0, 3, 20_000), fmt="%d")
    result = run(tmp_path / "a.txt", "state lumps", longest=3)
    assert set(result.reported) == {"apparent", "block_divergence.2", "block_divergence.3", "block_increment.3"}
    assert "contains zero" in result.verdict.text
    assert result.reported["apparent"].estimate.unit == "nat/step"


def test_transitions(tmp_path):
    seen = record(simulate_jumps(HARUNARI, jumps=60_000, seed=3), ResolvedTransitions(((0, 1), (2, 3))))
    jumps = ["0 1", "1 0", "2 3", "3 2"]
    (tmp_path / "a.csv").write_text(
        "\n".join(
            f"{jumps[s].replace(' ', ', ')}, {t!r}" for s, t in zip(seen.symbols, seen.times.tolist(), strict=True)
        )
    )
    result = run(tmp_path / "a.csv", "resolved transitions", time_unit="ms")
    direct = hidden_dissipation(seen, ResolvedTransitions(((0, 1), (2, 3))))
    assert result.reported["transition_based"].value == pytest.approx(direct["transition_based"].value, rel=1e-9)
    assert result.reported["transition_based.times"].estimate.unit == "nat/ms"


def test_milestones(tmp_path):
    seen = record(simulate_jumps(ring(4, 3, 1), jumps=40_000, seed=4), Milestones((0, 1, 2)))
    (tmp_path / "a.txt").write_text("\n".join(map(str, seen.symbols)))
    result = run(tmp_path / "a.txt", "milestones")
    assert set(result.reported) == {"milestone_sequence"}
    assert result.reported["milestone_sequence"].estimate.interval()[0] > 0


@pytest.mark.parametrize(
    ("text", "observer", "words"),
    [
        ("", "state lumps", "holds no rows"),
        ("a 1\nb\n", "state lumps", "line 2: 1 columns"),
        ("a 1\nb x\n", "state lumps", "line 2: the time 'x' is no number"),
        ("a b 1\nb b 1\n", "resolved transitions", "line 2: a jump b -> b goes nowhere"),
        ("a b 1\na b 2\n", "resolved transitions", "the jump b -> a never occurs, its reverse does"),
        ("a 1\nb 2\n", "milestones", "line 1: 2 columns; for milestones expected: milestone"),
        ("a 1\nb -2\n", "state lumps", "line 2: the time -2 is no dwell time"),
        ("a 1\nb 1\nb -0.5\n", "state lumps", "line 3: the time -0.5"),  # before rows of one state are joined
        ("a b 1\nb a nan\n", "resolved transitions", "line 2: the time nan is no time since the last jump"),
        ("".join(f"{'ab'[k % 2]} {k + 1}.5\n" for k in range(12)), "state lumps", "look like those of a clock"),
    ],
)
def test_bad_files(tmp_path, text, observer, words):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_record(tmp_path / "a.txt", observer)


def test_dwell_bounds_carry_the_name_and_rare_lumps_none(tmp_path):
    """A lump visited once has no dwell-time bound, and the record says so; the others name their lump."""
    path = simulate_jumps(ring(3, 2, 1), jumps=6000, seed=1)
    rows = [f"{'on' if s == 0 else 'off'} {t!r}" for s, t in zip(path.states, path.dwells.tolist(), strict=True)]
    (tmp_path / "a.txt").write_text("\n".join([*rows[:3000], "zap 0.1", *rows[3000:]]))
    result = run(tmp_path / "a.txt", "state lumps")
    assert "dwell times of off: lower bound" in result.reported["dwell_bound.0"].source
    assert "dwell_bound.2" not in result.reported
    assert "dwell_bound.2 is left out: lump 2 was visited in 1 of" in result.verdict.text


@pytest.mark.parametrize(
    ("partner", "observer", "words"),
    [
        ([0, 1], ResolvedTransitions(((0, 1),)), "symbol 0 of the record is its own reverse"),
        ([1, 0], StateLumps(Map.groups([0, 1])), "its observer is ResolvedTransitions"),
        ([1, 0], Milestones((0, 1)), "its observer is ResolvedTransitions"),
        ([0, 1], Map.groups([0, 1]), "expected StateLumps"),
    ],
)
def test_a_record_of_another_observer_is_refused(partner, observer, words):
    seen = Record(np.array([0, 1] * 1000), np.array(partner), np.ones(2000))
    with pytest.raises(ValueError, match=words):
        hidden_dissipation(seen, observer)


def test_jumps_and_maps_that_cannot_be():
    observer = StateLumps(Map.groups([0, 1, 1]))
    states = np.array([0, 1, 2] * 500, dtype=np.int32)
    for dwells, words in ((np.ones(5), "one for each of the 1500"), (np.where(states == 2, -0.1, 1.0), "-0.1 at 2")):
        with pytest.raises(ValueError, match=words):
            hidden_dissipation(Jumps(states, dwells), observer)
    with pytest.raises(ValueError, match="one symbol only"):
        hidden_dissipation(states, StateLumps(Map.groups([0, 0, 0])))
    with pytest.raises(ValueError, match="the map has 2 states, the model 3"):
        split(ring(3, 2, 1), Map.groups([0, 1]))


def test_the_observer_must_be_stated(tmp_path):
    (tmp_path / "a.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match="observer"):
        EntropyProduction.model_validate({"sequence": tmp_path / "a.txt"})
