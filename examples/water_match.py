"""Structure matching from bead frames to a pair potential with its band, by any step."""

# --8<-- [start:body]
from importlib.resources import files

from kadanoff.molecules.iteration import Sampling, sample, starting_frame
from kadanoff.molecules.mapping import MappingConfig, read_all_beads
from kadanoff.molecules.matching import Target, match
from kadanoff.molecules.pair_distributions import pair_distributions

data = files("kadanoff.molecules") / "data"
frames = read_all_beads(data / "spce.gro", data / "spce.trr", MappingConfig(beads={"W": {"per": "residue"}}))

target = Target(300.0, pair_distributions(frames, cutoff=1.2), starting_frame(frames))  # g of every pair of types
sampling = Sampling(300.0, reach=1.2, every=20)  # a step needs 500 frames or more


def simulate(number, state, model, start):
    """One simulation; another engine, thermostat or length goes in here."""
    return sample(model, start, sampling, steps=12_000, seed=number)


found = match(target, step="gauss-newton", cutoff=0.9, upper=1.0, simulate=simulate)
potential = found.model.only
print(f"{found.simulations_run} simulations: {found.note}")
for r in (0.275, 0.35, 0.45):
    band = potential.band[round(r / potential.step)]
    print(f"U({r:.3f} nm) = {float(potential.energy_at(r)):5.2f} +- {band:.2f} kJ/mol")
# --8<-- [end:body]
