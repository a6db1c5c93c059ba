"""Fixed points of three flows, and a coupling that was fitted at one temperature and used at another."""

# --8<-- [start:body]
import numpy as np

from kadanoff.lattices import (
    CRITICAL_TEMPERATURE,
    Flow,
    coupling_by_pseudo_likelihood,
    critical_point,
    critical_temperature_of,
    fixed_points,
    lieb,
    migdal_kadanoff,
    neighbour_counts,
    sample,
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
drawn = sample(lieb(32), 1 / temperature, samples=2000, seed=1).configurations  # sites, then the spins on their bonds
sites = drawn[..., 0]  # or your own (samples, rows, columns) of +-1
energy = coupling_by_pseudo_likelihood(neighbour_counts(sites)).scaled(temperature, "J")
frozen = critical_temperature_of(energy.value)
print(f"J_eff = {energy} at T = {temperature}: frozen, T_c = {frozen:.3f}; in truth {CRITICAL_TEMPERATURE:.6f}")
# --8<-- [end:body]
