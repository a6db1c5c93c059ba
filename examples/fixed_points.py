"""Fixed points of three flows, and a coupling that was fitted at one temperature and used at another."""

# --8<-- [start:body]
import numpy as np

from kadanoff.lattices import (
    CRITICAL_TEMPERATURE,
    Flow,
    coupling_by_pseudo_likelihood,
    critical_point,
    critical_temperature_of,
    decorated_heat_bath,
    fixed_points,
    migdal_kadanoff,
    neighbour_counts,
    truncation_ladder,
)

point = fixed_points(migdal_kadanoff(dimension=2), [[0.1], [0.5], [1.0]]).only(relevant=1)
print(f"Migdal-Kadanoff: K* = {point.couplings[0]:.7f}, y = {point.exponent():.6f}, nu = {point.nu:.6f}")


def mine(couplings):  # your own step of renormalization, here with b = 2
    k, field = couplings
    return np.array([0.5 * np.log(np.cosh(4 * k)) * 1.05, 2 * field * (1 + np.tanh(k))])


own = Flow(("K", "h"), mine, scale=2.0)
search = fixed_points(own, [[0.05, 0.0], [0.4, 0.1], [2.0, 0.0]])
for found in search.found:
    print(f"yours: K*, h* = {found.couplings.round(6)}, exponents {found.exponents.round(4)}")
print(f"critical on the line h = 0: K_c = {critical_point(own, [0.05, 0.0], [1.0, 0.0])[0]:.6f}")

best = truncation_ladder((12,))[-1]  # local potential, d = 3
print(f"local potential: nu = {best.nu:.6f}, omega = {best.omega:.5f}")

temperature = 2.0  # J/k; above the transition
start = decorated_heat_bath(np.ones((32, 32), np.int8), 1 / temperature, 1, seed=1, every=200).sites[-1]
samples = decorated_heat_bath(start, 1 / temperature, 2000, seed=1, first=200)  # or your own (samples, rows, columns)
energy = coupling_by_pseudo_likelihood(neighbour_counts(samples.sites)).scaled(temperature, "J")
frozen = critical_temperature_of(energy.value)
print(f"J_eff = {energy} at T = {temperature}: frozen, T_c = {frozen:.3f}; in truth {CRITICAL_TEMPERATURE:.6f}")
# --8<-- [end:body]
