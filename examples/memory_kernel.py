"""Velocities and forces of one coordinate to a memory kernel, its friction with error bars, and an effective model."""

# --8<-- [start:body]
import numpy as np

from kadanoff.dynamics.correlations import autocorrelation
from kadanoff.dynamics.generalised_langevin import simulate_generalised
from kadanoff.dynamics.kac_zwanzig import ohmic_bath, sample_bath
from kadanoff.dynamics.memory import bath_correlations, memory_kernel, memory_number
from kadanoff.dynamics.noise import noise_check
from kadanoff.dynamics.prony import fit_prony
from kadanoff.dynamics.trajectories import trajectories

# stands for your own file: arrays (trajectories, frames) of one coordinate, here a particle among oscillators
paths = sample_bath(ohmic_bath(300), step=0.1, points=201, trajectories=1000, seed=1)
np.savez("mine.npz", position=paths.position, velocity=paths.velocity, force=paths.force)

mine = np.load("mine.npz")
source = trajectories(
    mine["position"][..., None],  # (trajectories, frames, coordinates)
    0.1,
    velocities=mine["velocity"][..., None],
    forces=mine["force"][..., None],
)
correlations = bath_correlations(source, last=100, mass=1.0)
kernel = memory_kernel(correlations, "simpson")
plateau = kernel.judged().plateau
print(f"integral of the kernel up to {kernel.upper[-1]:g}: {kernel.integral()}")
print(f"friction {plateau.height}" if plateau else f"no friction to be read off: {plateau.reason}")
print(f"memory number {memory_number(kernel)}: Langevin without memory only where it is small")
print(f"noise over kT K: {noise_check(source, kernel, temperature=1.0, last=40).ratio}")

model = fit_prony(kernel)
walkers = simulate_generalised(model, np.zeros(500), steps=200, timestep=0.1, mass=1.0, temperature=1.0, seed=2)
fine = autocorrelation(source, source.velocities, [0, 20, 40])
coarse = autocorrelation(walkers, walkers.velocities, [0, 20, 40])
for t, a, da, b, db in zip(fine.time, fine.value, fine.error, coarse.value, coarse.error, strict=True):
    print(f"<v(0) v({t:g})>: data {a:.3f} +- {da:.3f}, generalised Langevin {b:.3f} +- {db:.3f}")
# --8<-- [end:body]
