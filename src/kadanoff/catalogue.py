"""The plain table of what `kadanoff` can run. It imports nothing, so that listing it is fast."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["KINDS", "OWN_DATA", "STUDIES", "Study"]


class Study(NamedTuple):
    """A shipped study: its name, its kind, one line on what it shows, seconds on two cores, whether the atlas runs it,
    and what it needs beyond the core, with the line that installs that."""

    name: str
    kind: str
    line: str
    seconds: int
    flagship: bool = True
    needs: tuple[str, ...] = ()
    install: str = ""

    @property
    def field(self) -> str:
        """The field of science: the first half of the kind."""
        return self.kind.partition(".")[0]


KINDS: dict[str, str] = {
    "molecules.bottom-up": "kadanoff.molecules.studies.bottom_up:bottom_up",
    "molecules.three-body": "kadanoff.molecules.studies.three_body_water:three_body",
    "molecules.transfer": "kadanoff.molecules.studies.transfer:transfer",
    "molecules.exact-recovery": "kadanoff.molecules.studies.exact_recovery:exact_recovery",
    "molecules.water-reference": "kadanoff.molecules.studies.water_reference:water_reference",
    "molecules.force-floor": "kadanoff.molecules.studies.force_floor:force_floor_run",
    "lattices.block-spins": "kadanoff.lattices.studies.block_spins:block_spins",
    "lattices.tensor-rg": "kadanoff.lattices.studies.tensor_rg:tensor_rg",
    "lattices.fixed-points": "kadanoff.lattices.studies.fixed_points:fixed_points_study",
    "lattices.information-optimal": "kadanoff.lattices.studies.information_optimal:information_optimal",
    "lattices.transferred-coupling": "kadanoff.lattices.studies.transferred_coupling:transferred_coupling",
    "lattices.ising-blocks": "kadanoff.lattices.studies.ising_blocks:ising_blocks",
    "lattices.ising-mcrg": "kadanoff.lattices.studies.ising_mcrg:ising_mcrg",
    "lattices.mcrg": "kadanoff.lattices.studies.mcrg:mcrg",
    "lattices.rg-flow": "kadanoff.lattices.studies.rg_flow:rg_flow",
    "dynamics.hidden-cycle": "kadanoff.dynamics.studies.hidden_cycle:hidden_cycle",
    "dynamics.piston": "kadanoff.dynamics.studies.piston:piston",
    "dynamics.heat-bath": "kadanoff.dynamics.studies.heat_bath:heat_bath",
    "dynamics.langevin": "kadanoff.dynamics.studies.langevin:langevin",
    "dynamics.langevin-double-well": "kadanoff.dynamics.studies.langevin_double_well:double_well_study",
    "dynamics.lumping": "kadanoff.dynamics.studies.lumping:lumping",
    "dynamics.markov": "kadanoff.dynamics.studies.markov:markov",
    "dynamics.entropy-production": "kadanoff.dynamics.studies.entropy_production:entropy_production_of_data",
    "dynamics.arrow-of-time": "kadanoff.dynamics.studies.arrow_of_time:arrow_of_time",
    "networks.regions": "kadanoff.networks.studies.connectome:regions",
    "networks.worm": "kadanoff.networks.studies.worm:worm",
    "networks.fly-scale": "kadanoff.networks.studies.fly_scale:fly_scale",
}
"""Kind -> ``module:function``; the function takes ``(config, run)`` and returns a Result."""

OWN_DATA: tuple[str, ...] = (
    "molecules.bottom-up",
    "molecules.three-body",
    "molecules.transfer",
    "dynamics.langevin",
    "dynamics.markov",
    "dynamics.entropy-production",
    "lattices.mcrg",
    "networks.regions",
)
"""The kinds that take data of the user's own; the others have settings alone."""

STUDIES: tuple[Study, ...] = (
    Study(
        "water",
        "molecules.bottom-up",
        "atomistic water to one-bead water: what structure alone keeps, and what it loses",
        200,
    ),
    Study(
        "three-body-water",
        "molecules.three-body",
        "pair forces against pair and three-body forces: explained variance, angles and order regained",
        150,
    ),
    Study(
        "transfer",
        "molecules.transfer",
        "one-bead water carried to other temperatures and densities: what a pair potential cannot follow",
        150,
    ),
    Study(
        "exact-recovery",
        "molecules.exact-recovery",
        "Lennard-Jones of one and two types: every bottom-up method gives the potential back within its bands",
        150,
    ),
    Study(
        "block-spins", "lattices.block-spins", "spins to blocks by majority: nats kept and lost per block, exactly", 3
    ),
    Study(
        "tensor-rg",
        "lattices.tensor-rg",
        "tensor renormalization of Ising and Potts models: free energy, central charge, dimensions on a plateau",
        33,
    ),
    Study(
        "fixed-points",
        "lattices.fixed-points",
        "flows in closed form and their fixed points: exponents from decimation to functional renormalization",
        10,
    ),
    Study(
        "information-optimal",
        "lattices.information-optimal",
        "which block spin knows most of its surroundings: all odd rules of four spins, exactly",
        10,
    ),
    Study(
        "transferred-coupling",
        "lattices.transferred-coupling",
        "a coupling fitted at one temperature, frozen: the phase transition it misses, exactly and from samples",
        40,
    ),
    Study(
        "ising-blocks",
        "lattices.ising-blocks",
        "spins blocked again and again below, at and above T_c: entropy per spin and information kept by each step",
        25,
    ),
    Study(
        "ising-mcrg",
        "lattices.ising-mcrg",
        "critical exponents by blocking spins again and again: y_t and y_h with errors, truncation and size judged",
        30,
    ),
    Study(
        "rg-flow",
        "lattices.rg-flow",
        "couplings level by level below, at and above the critical point; the fixed point; what flows nowhere",
        60,
    ),
    Study(
        "piston",
        "dynamics.piston",
        "a heavy particle in an ideal gas: friction from collisions, and from which mass on a Langevin equation holds",
        20,
    ),
    Study(
        "heat-bath",
        "dynamics.heat-bath",
        "a particle among oscillators: memory kernel and friction from trajectories against the exact ones",
        15,
    ),
    Study(
        "langevin",
        "dynamics.langevin-double-well",
        "positions to a Langevin model: between which lags one holds, its friction, and when there is none",
        25,
    ),
    Study(
        "hidden-cycle",
        "dynamics.hidden-cycle",
        "driven networks partly seen: how far up from 0 to the total each observer gets",
        30,
    ),
    Study(
        "arrow-of-time",
        "dynamics.arrow-of-time",
        "six systems out and back: fine entropy constant, coarse entropy rising, the return that one bit can spoil",
        60,
    ),
    Study("lumping", "dynamics.lumping", "driven networks lumped: what is hidden, and what memory brings back", 40),
    Study("markov", "dynamics.markov", "a Markov model of your states: driven or not, how slow, what lumps lose", 5),
    Study(
        "connectome",
        "networks.regions",
        "a synthetic connectome to regions by three maps: "
        "flow conserved, hubs, highways, errors, what was lost (extra: networks)",
        25,
        needs=("pyarrow",),
        install="pip install '.[networks]'",
    ),
    Study(
        "worm",
        "networks.worm",
        "C. elegans to ten ganglia: "
        "every synapse accounted for, the rich club, eight stages, what ganglia forget (extra: networks)",
        15,
        needs=("pyarrow", "xlrd", "cect", "connectome-utilities"),
        install="pip install '.[networks]' && pip install --no-deps cect connectome-utilities",
    ),
    Study(
        "fly-scale",
        "networks.fly-scale",
        "25.6 million edges of a made-up fly to 100 regions: "
        "speed against reading, the same bits by every road (extra: networks)",
        45,
        needs=("pyarrow",),
        install="pip install '.[networks]'",
    ),
    Study(
        "spce-reference",
        "molecules.water-reference",
        "makes the shipped SPC/E water with OpenMM (extra: openmm)",
        2400,
        flagship=False,
    ),
    Study(
        "spce-floor",
        "molecules.force-floor",
        "makes the shipped floor of force matching: forces on beads that stand still (extra: openmm)",
        900,
        flagship=False,
    ),
)
