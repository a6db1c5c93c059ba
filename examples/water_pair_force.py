"""Atomistic water to beads: structure with its error bar, the pair force, and the share of the forces it explains."""

# --8<-- [start:body]
from importlib.resources import files

from kadanoff.molecules.force_matching import normal_equations, solve
from kadanoff.molecules.mapping import MappingConfig, read_all_beads
from kadanoff.molecules.pair_distributions import pair_distribution

data = files("kadanoff.molecules") / "data"  # SPC/E water with forces comes with the package
water = read_all_beads(data / "spce.gro", data / "spce.trr", MappingConfig(beads={"W": {"per": "residue"}}))

g = pair_distribution(water, cutoff=1.0)
peak = g.g.argmax()
print(f"first peak of g(r): {g.g[peak]:.2f} +- {g.error[peak]:.2f} at {g.r[peak]:.3f} nm")

match = solve(normal_equations(water, cutoff=0.9))
print(f"share of the force variance that a pair force explains: {match.explained_variance}")
# --8<-- [end:body]
