"""The studies `lumping` and `markov`, small; in the slow suite a thousand networks."""

import math

import numpy as np
import pytest

from kadanoff.dynamics.block_divergence import block_divergence
from kadanoff.dynamics.entropy_production import split_flows, step_flows
from kadanoff.dynamics.jumps import ring, simulate_chain
from kadanoff.dynamics.network_diagram import draw_network
from kadanoff.dynamics.studies.hidden_cycle import HARUNARI
from kadanoff.dynamics.studies.lumping import Lumping, _excess, _ledger, lumping
from kadanoff.dynamics.studies.lumping_cases import hidden_ring, network_cases, path_divergence, random_network
from kadanoff.dynamics.studies.markov import Markov, Ring, analyse, markov, read_states
from kadanoff.maps import Map
from kadanoff.plotting import figure
from kadanoff.study import Run
from kadanoff.study.configs import load, template


@pytest.fixture(scope="module")
def cases():
    return network_cases(range(10), 3, 8000)


def test_ten_networks_keep_the_order(cases):
    assert all(np.all(excess <= 0) for excess in _excess(cases).values())
    assert any(case.apparent > 1e-6 for case in cases)
    assert all(case.total > 1e-4 and case.loss >= 0 for case in cases)


@pytest.mark.slow
def test_a_thousand_networks_keep_the_order():
    """The level of 4 sigma and 1,000 sampled comparisons: 0.03 false alarms are expected."""
    cases = network_cases(range(1000), 11, 20_000)
    for name, excess in _excess(cases).items():
        assert np.count_nonzero(excess > 0) == 0, (name, int(excess.argmax()), cases[int(excess.argmax())])
    shares = np.array([case.apparent / case.total for case in cases])
    assert np.median(shares) < 0.5


def test_a_violation_would_be_seen(cases):
    """Negative control: a network whose total is understated breaks all three bounds."""
    case = max(cases, key=lambda one: one.apparent / one.total)
    broken = _excess([case._replace(total=0.5 * case.apparent, path_error=0.01 * case.path_error)])
    assert all(broken[f"{name} <= total"][0] > 0 for name in ("apparent", "block", "path"))


def test_flows_may_show_more_than_the_path():
    """No ledger may say apparent <= path: in the study's own network 44 the words of 9 symbols settle the path to
    1e-4, and the flows lie above it by 1.7 %."""
    for transition, labels in (
        (np.eye(4) + 0.1 * (HARUNARI - np.diag(HARUNARI.sum(axis=1))), np.array([0, 1, 2, 2])),
        random_network(0, 44),
    ):
        words = block_divergence(transition, Map.groups(labels), 9)
        assert abs(words.increments[-1] - words.increments[-2]) < 1e-4 * words.increments[-1]
        assert words.per_step[0] > 1.009 * words.increments[-1]
        assert words.per_step[0] == pytest.approx(split_flows(step_flows(transition), Map.groups(labels)).apparent)
    result = _ledger(network_cases(range(2), 3, 8000))
    assert not any("apparent against path" in loss.name for loss in result)


def test_the_path_divergence_of_the_whole_chain_is_the_total():
    chain = hidden_ring(0.36, 0.18)
    found = path_divergence(chain, np.arange(3), 60_000, 5)
    assert found.value == pytest.approx(0.18 * math.log(2), abs=4.5 * found.error)


def test_random_networks_are_driven_and_their_lumps_full():
    for number in range(20):
        transition, labels = random_network(0, number)
        assert transition.sum(axis=1) == pytest.approx(np.ones(len(transition)))
        assert len(np.unique(labels)) == labels.max() + 1 < len(labels)


@pytest.mark.slow
def test_the_study_lumping():
    config = Lumping(networks=5, network_frames=8000, frames=80_000, states=30, depth=2.0)
    result = lumping(config, Run(seed=2))
    assert result.verdict.passed is True
    found = result.reported
    assert found["violations"].value == 0
    assert found["unidentified.cycle_model"].agrees
    for name in ("cycle", "double_well"):
        naive = found[f"propagator_error.{name}.markov"].value
        assert min(found[f"propagator_error.{name}.{kind}_markov"].value for kind in ("quasi", "hidden")) < naive
    assert set(result.pictures) == {"slack", "double_well", "cycle"}


def test_the_study_markov():
    result = markov(Markov(ring=Ring(frames=40_000), lumps=[0, 1, 1], blocks=16), Run(seed=1))
    assert result.verdict.passed is True
    found = result.reported
    assert found["reversible_p_value"].value < 0.01
    assert found["entropy_production"].agrees
    assert found["entropy_production.lumped"].value == 0
    assert abs(found["entropy_production.reversible_model"].value) < 1e-12
    assert "not reversible" in result.verdict.text


def test_a_file_of_ones_own(tmp_path):
    """Text with a header and two trajectories, and the same as .npy; a lump and a state that is never left."""
    x = simulate_chain(hidden_ring(0.3, 0.1), 6000, seed=0).reshape(2, 3000) + 1
    x[0, 0] = 0
    np.savetxt(tmp_path / "states.csv", x.T, fmt="%d", delimiter=",", header="first, second")
    np.save(tmp_path / "states.npy", x)
    assert all(np.array_equal(a, b) for a, b in zip(read_states(tmp_path / "states.csv"), x, strict=True))
    found = analyse(
        read_states(tmp_path / "states.npy"), Markov(trajectory=tmp_path / "states.npy", blocks=16, times=1)
    )
    assert found.model.states.tolist() == [1, 2, 3]
    assert found.model.excluded.tolist() == [0]
    assert any("cannot be reached" in note for note in found.notes)
    assert found.test.p_value < 0.01
    (tmp_path / "bad.csv").write_text("0\n1\n1.5\n")
    with pytest.raises(ValueError, match=r"bad.csv, line 3"):
        read_states(tmp_path / "bad.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no rows"),
        ("state\n0\n1\n", "line 1: expected 1 integer, got 'state'; a header starts with #"),
        ("0 1\n1 2\n2\n0 1\n", "line 3: expected 2 integers, got '2'"),  # not both columns alike
        ("1 0\n2 0\n3 1\n4 0\n", "column 0 .* counts up by 1"),
    ],
)
def test_files_that_are_no_states(tmp_path, text, words):
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_states(tmp_path / "bad.txt")


def test_two_states_and_a_driven_ring_of_four(tmp_path):
    """Both are analysed: two states have no sets to look for, and a ring of four has none that the spectrum names."""
    (tmp_path / "a").touch()
    config = Markov(trajectory=tmp_path / "a", blocks=16)
    found = analyse([simulate_chain(np.array([[0.9, 0.1], [0.05, 0.95]]), 8000, seed=1)], config)
    assert found.labels.tolist() == [0, 1]
    assert found.scales.times[0, 0] == pytest.approx(-1 / np.log(0.85), rel=0.3)
    ring_of_four = 0.9 * np.eye(4) + 0.08 * np.roll(np.eye(4), 1, axis=1) + 0.01
    found = analyse([simulate_chain(ring_of_four / ring_of_four.sum(axis=1)[:, None], 20_000, seed=1)], config)
    assert len(found.labels) == 4
    assert any("which cannot be had" in note for note in found.notes)
    assert found.test.p_value < 0.01


def test_data_without_a_model_say_why(tmp_path):
    (tmp_path / "a").touch()
    config = Markov(trajectory=tmp_path / "a", blocks=16)
    x = simulate_chain(hidden_ring(0.3, 0.1), 4000, seed=0)
    with pytest.raises(ValueError, match=r"only state 3 is left.*not: 0, 1, 2"):
        analyse([np.r_[x, np.full(8000, 3)]], config)
    with pytest.raises(ValueError, match="state 7 is connected with the others by jumps in block 0 of 16"):
        analyse([np.r_[x[:100], 7, x[100:]]], config)
    with pytest.raises(ValueError, match="lag: 2500 frames leave no room"):
        analyse([x], config.model_copy(update={"lag": 2500}))


def test_settings_name_what_is_missing(tmp_path):
    (tmp_path / "none.toml").write_text('kind = "dynamics.markov"\nlag = 2\n')
    with pytest.raises(ValueError, match="either trajectory"):
        load(str(tmp_path / "none.toml"))
    (tmp_path / "a.txt").write_text("0\n1\n")
    (tmp_path / "none.toml").write_text('kind = "dynamics.markov"\ntrajectory = "a.txt"\nlumps = [0, -1]\n')
    with pytest.raises(ValueError, match=r"lumps.1"):
        load(str(tmp_path / "none.toml"))


def test_a_diagram_shows_currents_only_where_they_are():
    for rates, arrows in ((ring(4, 2.0, 1.0), 4), (ring(4, 1.0, 1.0), 0)):
        _, (axis,) = figure(1)
        draw_network(axis, rates / 4, [0, 0, 1, 1])
        assert len(axis.patches) == arrows


def test_the_template_asks_for_a_file(tmp_path):
    text = template("dynamics.markov")
    assert '# trajectory = "states.npy"' in text
    np.save(tmp_path / "states.npy", np.zeros(5, dtype=int))
    (tmp_path / "mine.toml").write_text(text.replace("# trajectory", "trajectory"))
    assert load(str(tmp_path / "mine.toml")).config.trajectory.name == "states.npy"
