"""Diffusion of walkers and of free Langevin beads, whose D is known."""

import numpy as np
import pytest

from kadanoff.estimates import Estimate
from kadanoff.molecules.diffusion import (
    diffusion_loss,
    einstein,
    green_kubo,
    mean_square_displacement,
    speedup,
    unwrapped,
    velocity_autocorrelation,
    yeh_hummer,
)
from kadanoff.molecules.engines import Langevin
from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.frames import BOLTZMANN, Beads, Frames
from kadanoff.molecules.potentials import Model, PairPotential

D, EDGE, STEP = 0.0025, 2.5, 1.0


def walk(number, frames, seed, *, wind=0.0):
    """Wiener paths with D, wrapped into the box, one frame a picosecond."""
    random = np.random.default_rng(seed)
    steps = random.normal(size=(frames, number, 3)) * np.sqrt(2 * D * STEP) + wind
    positions = np.cumsum(steps, axis=0) + random.random((number, 3)) * EDGE
    return Frames(Beads.alike(number, 18.0), positions % EDGE, np.full((frames, 3), EDGE), STEP * np.arange(frames))


def test_paths_are_followed_through_the_images():
    frames = walk(20, 50, 1)
    paths = unwrapped(frames, drift=True)
    assert np.allclose((paths + frames.positions[0]) % EDGE, frames.positions % EDGE)
    assert np.abs(np.diff(paths, axis=0)).max() < 0.4 * EDGE
    assert np.abs(unwrapped(frames).mean(axis=1)).max() < 1e-12
    blown = unwrapped(walk(20, 50, 1, wind=0.05))
    assert np.allclose(blown, unwrapped(frames))  # a common wind is taken out


def test_walkers_have_their_diffusion_coefficient_and_msd():
    frames = walk(200, 400, 2)
    found = einstein(frames, start=2.0, end=10.0, drift=True)
    assert found.value == pytest.approx(D, abs=4 * found.error)
    assert found.error < 0.03 * D
    held = einstein(frames, start=2.0, end=10.0)
    assert held.value == pytest.approx(D * (1 - 1 / 200), abs=4 * held.error)
    curve = mean_square_displacement(frames, longest=20.0, drift=True)
    assert np.all(np.abs(curve.value - 6 * D * curve.time) <= 5 * curve.error)
    assert curve.time[1] == STEP
    assert curve.value[0] == 0.0


def test_the_error_is_the_spread_over_runs_and_falls_as_one_over_the_root_of_time():
    spreads = []
    for frames in (200, 800):
        runs = [einstein(walk(20, frames, 100 + seed), start=1.0, end=5.0) for seed in range(60)]
        spread = np.std([one.value for one in runs], ddof=1)
        assert np.mean([one.error for one in runs]) == pytest.approx(spread, rel=5 / np.sqrt(2 * 60))
        spreads.append(np.mean([one.error for one in runs]))
    assert spreads[0] / spreads[1] == pytest.approx(2.0, rel=0.15)


FRICTION, MASS, T = 4.0, 18.0, 300.0
FREE = BOLTZMANN * T / (MASS * FRICTION)


def free_beads(number, steps, every, seed):
    """Beads without forces under Langevin friction, from our engine."""
    edge = 12.0
    random = np.random.default_rng(seed)
    start = Frames(Beads.alike(number, MASS), random.random((1, number, 3)) * edge, np.full((1, 3), edge), np.zeros(1))
    model = Model.single(PairPotential.zero(0.5), MASS)
    chunks = BeadEngine().run(
        model, start, steps=steps, timestep=0.01, every=every, thermostat=Langevin(T, FRICTION), seed=seed
    )
    return Frames.join(list(chunks))


def test_free_langevin_beads_have_kt_over_m_gamma_both_ways():
    frames = free_beads(200, 16_000, 4, 3)
    way = einstein(frames, start=2.0, end=10.0, drift=True)
    assert way.value == pytest.approx(FREE, abs=4 * way.error)
    assert way.error < 0.03 * FREE
    upper, spacing = 2.0, 0.04
    kubo = green_kubo(frames, upper=upper, drift=True)
    # the trapezoidal sum of exp(-gamma t), cut at upper
    x = FRICTION * spacing
    exact = FREE * 0.5 * x / np.tanh(0.5 * x) * (1 - np.exp(-FRICTION * upper))
    assert kubo.value == pytest.approx(exact, abs=4 * kubo.error)
    assert kubo.error < 0.05 * FREE
    curve = velocity_autocorrelation(frames, longest=1.0, drift=True)
    decay = 3 * BOLTZMANN * T / MASS * np.exp(-FRICTION * curve.time)
    assert np.all(np.abs(curve.value - decay) <= 5 * curve.error)


def test_one_persistent_walk_shows_its_ballistic_start():
    """Exact for free beads: MSD = 6 D [t - (1 - e^(-gamma t)) / gamma]; a window from 0 on is too low."""
    frames = free_beads(200, 8000, 4, 4)
    curve = mean_square_displacement(frames, longest=2.0, drift=True)
    exact = 6 * FREE * (curve.time - (1 - np.exp(-FRICTION * curve.time)) / FRICTION)
    assert np.all(np.abs(curve.value - exact) <= 5 * curve.error)
    early = einstein(frames, start=0.04, end=0.4, drift=True)
    assert FREE - early.value > 5 * early.error


def test_yeh_hummer_at_the_size_of_water():
    """TIP3P of 512 molecules (Yeh & Hummer): 2.837297 kT / (6 pi eta L) at 0.31 mPa s and 2.486 nm is 0.81e-9 m^2/s."""
    found = yeh_hummer(Estimate(0.0050, 0.0001, 50, "nm^2/ps"), 298.0, 2.486, 0.31)
    boltzmann, metre = 1.380649e-23, 1e-9
    shift = 2.837297 * boltzmann * 298 / (6 * np.pi * 0.31e-3 * 2.486 * metre)  # m^2/s
    assert found.value - 0.0050 == pytest.approx(shift * 1e6, rel=1e-6)
    assert found.error == 0.0001
    with pytest.raises(ValueError, match="positive"):
        yeh_hummer(found, 298.0, 2.486, 0.0)


def test_speedup_and_loss():
    fine, coarse = Estimate(0.0025, 0.0001, 50, "nm^2/ps"), Estimate(0.0100, 0.0002, 50, "nm^2/ps")
    ratio = speedup(fine, coarse)
    assert ratio.value == pytest.approx(4.0)
    assert ratio.error == pytest.approx(4.0 * np.hypot(0.04, 0.02))
    assert diffusion_loss(fine, coarse).lost.value == pytest.approx(-0.0075)
    with pytest.raises(ValueError, match="noise"):
        speedup(Estimate(0.0001, 0.0001, 9, "nm^2/ps"), coarse)


def test_bad_input_is_refused():
    frames = walk(5, 40, 5)
    with pytest.raises(ValueError, match="half"):
        einstein(frames, start=2.0, end=30.0)
    with pytest.raises(ValueError, match="velocities"):
        green_kubo(frames, upper=2.0)
    uneven = Frames(frames.beads, frames.positions, frames.box, np.sort(np.random.default_rng(0).random(40)))
    with pytest.raises(ValueError, match="equally spaced"):
        einstein(uneven)
    jump = frames.positions.copy()
    jump[10:, 2] += 0.49 * EDGE
    with pytest.raises(ValueError, match="bead 2"):
        unwrapped(Frames(frames.beads, jump, frames.box, frames.time))
    with pytest.raises(ValueError, match="displacement"):
        mean_square_displacement(frames, longest=100.0)


def test_a_box_that_changes_is_refused():
    frames = walk(20, 50, 1)
    scale = np.linspace(0.999, 1.001, 50)[:, None]
    breathing = Frames(frames.beads, frames.positions * scale[..., None], frames.box * scale, frames.time)
    for question in (unwrapped, einstein):
        with pytest.raises(ValueError, match="box changes from 2\\.4975 to 2\\.5025 nm"):
            question(breathing)
    stored = Frames(frames.beads, frames.positions, frames.box.astype(np.float32), frames.time)
    assert np.allclose(unwrapped(stored), unwrapped(frames), atol=1e-6)
