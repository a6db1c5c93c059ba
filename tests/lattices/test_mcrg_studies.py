"""The studies of block spins, exponents and flows, and the kind that reads the reader's own spins."""

from __future__ import annotations

import math

import h5py
import numpy as np
import pytest
from pydantic import ValidationError

from kadanoff.lattices.configuration_files import lattice_of_shape, open_configurations, spins_of
from kadanoff.lattices.lattice import square
from kadanoff.lattices.phi4 import sample_fields
from kadanoff.lattices.sampling import sample
from kadanoff.lattices.studies import ising_mcrg as study
from kadanoff.lattices.studies.ising_blocks import IsingBlocks, ising_blocks
from kadanoff.lattices.studies.ising_mcrg import IsingMCRG, critical_coupling, draw_pieces, ising_mcrg, known_exponents
from kadanoff.lattices.studies.mcrg import MCRG, mcrg
from kadanoff.lattices.studies.rg_flow import RGFlow, rg_flow
from kadanoff.plotting import to_svg
from kadanoff.study import Run

CRITICAL = math.log1p(math.sqrt(2.0)) / 2


def broken(result):
    """Names of estimates off their reference and of theorems that do not hold."""
    names = [name for name, number in result.reported.items() if number.agrees is False]
    return names + [loss.name for loss in result.ledger.losses if loss.holds is False]


@pytest.fixture(scope="module")
def spins():
    return sample(square(32), CRITICAL, samples=2000, algorithm="swendsen-wang", every=5, seed=4).configurations


def test_exponents_study_names_its_results_and_passes(tmp_path):
    result = ising_mcrg(IsingMCRG(size=32, samples=3000, every=5), Run(seed=2))
    assert broken(result) == []
    assert result.verdict.passed
    assert {"y_t.level1", "y_t.level2", "y_h.level1", "y_h.level2", "critical_coupling"} == set(result.estimates)
    assert result.reported["y_t.level1"].reference is None
    assert result.reported["y_t.level2"].reference == 1.0
    assert "32->16" in result.files["exponents.txt"]
    assert all(to_svg(picture.figure) for picture in result.pictures.values())
    assert "it is irrelevant and dies out" in result.verdict.text
    assert "off the critical" not in result.verdict.text


def test_a_flow_that_leaves_the_critical_surface_is_not_called_one_that_dies_out():
    result = ising_mcrg(IsingMCRG(size=32, samples=1500, every=4, coupling=0.42), Run(seed=1))
    assert result.reported["y_h.level2"].value is not None
    assert "it does not die out" in result.verdict.text
    assert "-4.7 % off the critical" in result.verdict.text


def test_off_critical_exponents_are_withheld_with_a_reason():
    result = ising_mcrg(IsingMCRG(size=32, samples=2000, every=2, coupling=0.3), Run())
    number = result.reported["y_t.level1"]
    assert number.value is None
    assert "trivial fixed point" in number.reason
    assert result.verdict.passed is None
    assert not result.pictures


def test_a_half_lattice_with_too_few_samples_costs_the_comparison_only():
    """Both lattices have a correlation time near 4 samples, 20 bins of the one, by chance 19 of the other."""
    found = {n: ising_mcrg(IsingMCRG(size=32, samples=n, every=2), Run(seed=6)) for n in (800, 1000)}
    assert all(one.reported["y_h.level2"].value is not None for one in found.values())
    assert "Finite size was not judged" in found[800].verdict.text
    assert "Finite size: after" in found[1000].verdict.text


def test_runs_with_seeds_next_to_each_other_share_no_sample(monkeypatch):
    """Two runs of two pieces: with seeds 0, 1 and 1, 2 of the pieces half of the samples were the same."""
    monkeypatch.setattr(study, "_PIECE", 1)
    monkeypatch.setattr(study, "_LEAST", 500)
    config = IsingMCRG(size=16, samples=1000, every=1)
    one, two = (draw_pieces(config, Run(seed=seed), "large", 16, 0.44, (0.0, 0.0))[0][0].even for seed in (0, 1))
    pieces = [part for run in (one, two) for part in (run[:500], run[500:])]
    assert all((a != b).any(axis=1).mean() > 0.9 for k, a in enumerate(pieces) for b in pieces[:k])


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValidationError, match="belongs to the rule"):
        IsingMCRG(weight=0.4, weight_odd=0.5)
    with pytest.raises(ValidationError, match="both weights"):
        IsingMCRG(rule="weighted", weight=0.4)
    with pytest.raises(ValidationError, match="plurality"):
        IsingMCRG(potts=3, rule="decimation")
    assert IsingMCRG(lattice="cubic").spin_rule == "weighted"
    assert IsingMCRG(lattice="cubic", rule="majority").spin_rule == "majority"
    assert IsingMCRG(lattice="cubic", potts=3).spin_rule == IsingMCRG().spin_rule == "majority"
    with pytest.raises(ValueError, match="no critical coupling"):
        ising_mcrg(IsingMCRG(potts=3, lattice="triangular"), Run())
    assert critical_coupling("triangular") == pytest.approx(0.274653072, abs=1e-9)
    assert critical_coupling("honeycomb") == pytest.approx(0.658478948, abs=1e-9)
    assert known_exponents("square", 3).y_t == 6 / 5
    assert known_exponents("cubic", 3) is None


def test_blocks_study_bounds_the_exact_entropy():
    result = ising_blocks(IsingBlocks(size=64, levels=2, samples=400), Run(seed=1))
    assert broken(result) == []
    entropy = result.reported["entropy_per_spin.level0"]
    assert entropy.value > entropy.reference - 2 * entropy.error
    zoom, window = result.slides["zoom"].images, result.slides["window"].images
    sizes = [tuple(int.from_bytes(png[k : k + 4], "big") for k in (16, 20)) for png in zoom.values()]
    assert sizes == [(512 >> k, 512 >> k) for k in range(6)]
    assert [label.split(":")[0] for label in window] == [f"level {k}" for k in range(4)]
    hot = [result.reported[f"entropy_per_spin.hot.level{k}"].value for k in range(3)]
    cold = [result.reported[f"entropy_per_spin.cold.level{k}"].value for k in range(3)]
    assert hot == sorted(hot)
    assert cold == sorted(cold, reverse=True)
    assert {"information_kept.level1", "information_kept.level2"} <= set(result.estimates)
    assert all(to_svg(picture.figure) for picture in result.pictures.values())
    with pytest.raises(ValueError, match="cannot be blocked"):
        ising_blocks(IsingBlocks(size=72, levels=4), Run())


@pytest.mark.slow
def test_potts_spins_of_three_states_have_exponents_of_their_own():
    found = ising_mcrg(IsingMCRG(potts=3), Run())
    assert broken(found) == []
    y_t, y_h = found.reported["y_t.level3"], found.reported["y_h.level3"]
    assert y_t.error < 0.01 * 6 / 5
    assert abs(y_t.value - 6 / 5) < 0.03 * 6 / 5
    assert abs(y_h.value - 28 / 15) < 0.005 * 28 / 15
    assert abs(y_t.value - 1.0) > 10 * y_t.error  # those of Ising spins they are not


@pytest.mark.slow
def test_cubic_exponents_by_weights_chosen_beforehand():
    found = ising_mcrg(IsingMCRG(lattice="cubic"), Run())
    assert broken(found) == []
    y_t, y_h = found.reported["y_t.level3"], found.reported["y_h.level3"]
    assert y_t.error < 0.02
    assert abs(y_t.value - 1.5875) < 0.02
    assert y_h.error < 0.006
    assert abs(y_h.value - 2.4818) < 0.006


@pytest.mark.slow
def test_flow_study_passes_at_its_default_size():
    result = rg_flow(RGFlow(), Run(seed=5))
    assert broken(result) == []
    assert result.reported["fates_recognised"].value == 5


def test_own_spins_from_every_kind_of_file(tmp_path, spins):
    np.save(tmp_path / "spins.npy", spins)
    np.savez(tmp_path / "spins.npz", spins=spins, other=np.arange(3))
    with h5py.File(tmp_path / "spins.h5", "w") as file:
        file["run/spins"] = spins.reshape(len(spins), -1)
    results = []
    for name, dataset in (("spins.npy", None), ("spins.npz", "spins"), ("spins.h5", None)):
        config = MCRG(configurations=tmp_path / name, dataset=dataset, temperature=1 / CRITICAL)
        results.append(mcrg(config, Run(seed=7)))
    assert len({result.reported["y_h.level2"].value for result in results}) == 1
    found = results[0].reported
    assert abs(found["y_h.level2"].value - 15 / 8) < 4 * found["y_h.level2"].error + 0.002
    assert found["K_nn.level0"].agrees
    assert found["entropy_per_spin.level0"].value < 0.33
    assert results[0].verdict.passed
    assert all(to_svg(picture.figure) for picture in results[0].pictures.values())


def test_a_wrong_temperature_or_order_of_sites_is_told(tmp_path, spins):
    np.save(tmp_path / "spins.npy", spins)
    wrong = mcrg(MCRG(configurations=tmp_path / "spins.npy", temperature=2.6), Run())
    assert not wrong.verdict.passed
    assert broken(wrong) == ["K_nn.level0"]
    order = np.random.default_rng(1).permutation(1024)
    np.save(tmp_path / "mixed.npy", spins.reshape(-1, 1024)[:, order].reshape(spins.shape))
    with pytest.raises(ValueError, match="not in the order of a square lattice"):
        mcrg(MCRG(configurations=tmp_path / "mixed.npy"), Run())
    # samples in another order than time's: here by energy
    energy = (spins * (np.roll(spins, 1, 1) + np.roll(spins, 1, 2))).sum(axis=(1, 2))
    np.save(tmp_path / "sorted.npy", spins[np.argsort(energy)])
    with pytest.raises(ValueError, match="not in equilibrium"):
        mcrg(MCRG(configurations=tmp_path / "sorted.npy"), Run())


def test_own_potts_states_have_couplings_entropy_and_exponents(tmp_path):
    coupling = math.log1p(math.sqrt(3))
    states = sample(
        square(32), coupling, samples=900, model="potts", states=3, algorithm="swendsen-wang", every=8, seed=4
    ).configurations
    np.save(tmp_path / "states.npy", states)
    config = MCRG(configurations=tmp_path / "states.npy", spins="potts", potts=3, temperature=1 / coupling)
    result = mcrg(config, Run(seed=2))
    found = result.reported
    assert found["K_nn.level0"].agrees
    assert abs(found["K_nnn.level0"].value) < 4 * found["K_nnn.level0"].error
    assert found["K_nn.level1"].error > 0
    assert 0.4 < found["entropy_per_spin.level0"].value < 0.5  # 0.485 for a large lattice
    assert 0 < found["information_kept.level1"].value < found["entropy_per_spin.level0"].value
    assert result.verdict.passed


def test_own_real_fields_have_their_couplings_and_the_exponents_of_their_signs(tmp_path):
    fields = sample_fields(square(32), 0.5, 0.5, samples=1000, every=4, seed=5).configurations
    np.save(tmp_path / "fields.npy", fields)
    result = mcrg(MCRG(configurations=tmp_path / "fields.npy", spins="real", temperature=2.0), Run(seed=2))
    found = result.reported
    assert found["field.K_nn"].agrees
    assert abs(found["field.u"].value - 0.5) < 4 * found["field.u"].error
    assert abs(found["field.r"].value) < 4 * found["field.r"].error
    assert found["K_nn.level0"].reference is None
    assert "of the signs" in result.verdict.text
    np.save(tmp_path / "signs.npy", np.sign(fields))
    signs = mcrg(MCRG(configurations=tmp_path / "signs.npy", spins="real"), Run(seed=2)).reported
    assert signs["field.K_nn"].value is None
    assert "leave a coupling open" in signs["field.K_nn"].reason


def test_rows_out_of_order_and_open_edges_are_named(tmp_path):
    """Rows shuffled alike in all samples had y_t = 1.51(2), and passed."""
    spins = sample(square(64), CRITICAL, samples=1200, algorithm="swendsen-wang", every=4, seed=3).configurations
    rows = np.random.default_rng(1).permutation(64)
    for name, given in (("good", spins), ("rows", spins[:, rows]), ("window", spins[:, :32, :32])):
        np.save(tmp_path / f"{name}.npy", np.ascontiguousarray(given))
    found = {
        name: mcrg(MCRG(configurations=tmp_path / f"{name}.npy", temperature=1 / CRITICAL), Run()).verdict
        for name in ("good", "rows", "window")
    }
    assert found["good"].passed
    assert "errors off" not in found["good"].text
    assert not found["rows"].passed
    assert "rows are not in the order" in found["rows"].text
    assert "plaquette" in found["window"].text.partition("errors off")[2]


def test_a_field_is_found_and_named(tmp_path):
    found = {}
    for name, field in (("with", 0.02), ("without", 0.0)):
        drawn = sample(square(32), 0.42, samples=1500, algorithm="swendsen-wang", every=4, seed=3, field=field)
        np.save(tmp_path / f"{name}.npy", drawn.configurations)
        found[name] = mcrg(MCRG(configurations=str(tmp_path / f"{name}.npy")), Run())
        entry = found[name].reported["H.level0"]
        assert abs(entry.value - field) < 4 * entry.error
    assert "feel a field" in found["with"].verdict.text
    assert "feel a field" not in found["without"].verdict.text


def test_too_few_and_impossible_spins_are_refused(tmp_path, spins):
    np.save(tmp_path / "few.npy", spins[:50])
    with pytest.raises(ValueError, match=r"errors need 20: \d+ samples"):
        mcrg(MCRG(configurations=tmp_path / "few.npy"), Run())
    np.save(tmp_path / "odd.npy", spins[:, :31, :31])
    with pytest.raises(ValueError, match="it needs a side that the edge of 2 divides"):
        mcrg(MCRG(configurations=tmp_path / "odd.npy"), Run())
    zero = spins.copy()
    zero[70, 3, 5] = 0
    np.save(tmp_path / "zero.npy", zero)
    with pytest.raises(ValueError, match=r"configuration 70 has 0 at site \(3, 5\)"):
        mcrg(MCRG(configurations=tmp_path / "zero.npy"), Run())
    with pytest.raises(ValueError, match="left out"):
        mcrg(MCRG(configurations=tmp_path / "few.npy", start=60), Run())


def test_potts_states_need_potts_spins(tmp_path):
    (tmp_path / "spins.npy").touch()
    with pytest.raises(ValidationError, match='potts = 3 belongs to spins = "potts"'):
        MCRG(configurations=tmp_path / "spins.npy", potts=3)


def test_reading_names_what_is_wrong(tmp_path):
    np.savez(tmp_path / "two.npz", a=np.ones((2, 4)), b=np.ones(3))
    two = tmp_path / "two.npz"
    with pytest.raises(ValueError, match="give the name of one; it holds a, b"), open_configurations(two):
        pass
    with pytest.raises(ValueError, match="there is no 'c'"), open_configurations(two, "c"):
        pass
    with pytest.raises(ValueError, match="samples"), open_configurations(two, "b"):
        pass
    with pytest.raises(ValueError, match=r"\.npy, \.npz and HDF5"), open_configurations(tmp_path / "spins.txt"):
        pass
    assert lattice_of_shape((6, 6, 2), "honeycomb").sites == 72
    assert lattice_of_shape((512,), "cubic").shape == (8, 8, 8)
    with pytest.raises(ValueError, match="got \\(6, 8\\)"):
        lattice_of_shape((6, 8), "square")
    fields = np.array([[0.3, -0.2], [1.5, -2.0]])
    assert np.array_equal(spins_of(fields, "real", 2), [[1, -1], [1, -1]])
    assert np.array_equal(spins_of(np.array([[0, 1]]), "potts", 2), [[-1, 1]])
    with pytest.raises(ValueError, match='say spins = "potts"'):
        spins_of(np.array([[0, 1]]), "ising", 2)
    with pytest.raises(ValueError, match="not 0"):
        spins_of(np.array([[0.0, 1.0]]), "real", 2)
    with pytest.raises(ValueError, match="configuration 5 has 3"):
        spins_of(np.array([[0, 1, 3]]), "potts", 3, 5)
