"""What a fit of g(r) never saw, and a user of the model will meet: how stiff the liquid is, and how fast it moves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kadanoff.estimates import Estimate
from kadanoff.losses import Loss
from kadanoff.molecules.diffusion import diffusion_loss, einstein, speedup
from kadanoff.molecules.engines import NoseHoover
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.iteration import engine
from kadanoff.molecules.mapping import Mapping, MappingConfig
from kadanoff.molecules.mapping_entropy import neighbour_axes, orientation_entropy_bound
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import Model
from kadanoff.molecules.reading import open_trajectory
from kadanoff.molecules.thermodynamics import compressibility_loss

__all__ = ["Unseen", "bead_diffusion", "lost_orientation", "unseen"]


@dataclass(frozen=True)
class Unseen:
    """The entries of the ledger, and by how much the beads hurry; ``speedup`` is None, with a ``reason``, where the
    reference's frames cannot be followed or are too few."""

    compressibility: Loss
    diffusion: Loss | None
    speedup: Estimate | None
    reason: str = ""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """For the ledger."""
        return (self.compressibility,) if self.diffusion is None else (self.compressibility, self.diffusion)


def bead_diffusion(
    model: Model, start: Frames, temperature: float, *, start_time: float, end_time: float, steps: int = 50_000,
    timestep: float = 0.004, threads: int = 1, seed: int = 0,
) -> Estimate:  # fmt: skip
    """D (nm^2/ps) of beads under a weak Nose-Hoover thermostat (1 ps), which leaves their motion nearly alone.

    ``start`` one equilibrated frame; ``start_time`` and ``end_time`` (ps): where the slope of the mean square
    displacement is taken (`diffusion.einstein`). The first fifth of the run is dropped.
    """
    every = max(1, round(start_time / (20.0 * timestep)))  # beads hurry: a path must be followed through the images
    chunks = engine("bead", threads).run(
        model, replace(start, time=start.time * 0.0), steps=steps, timestep=timestep, every=every,
        thermostat=NoseHoover(temperature, period=1.0), seed=seed,
    )  # fmt: skip
    frames = Frames.join(list(chunks))
    return einstein(frames[len(frames) // 5 :], start=start_time, end=end_time)


def unseen(
    reference: Frames, target: PairDistribution, model: Model, coarse: PairDistribution, start: Frames,
    temperature: float, *, steps: int = 50_000, threads: int = 1, seed: int = 0,
) -> Unseen:  # fmt: skip
    """Compressibility and diffusion of a bead model beside those of its reference.

    D is the slope of the mean square displacement over the same window of time for both, two to ten intervals of the
    reference's frames, without the Yeh-Hummer correction: the box is the same, the viscosities are not, so the ratio
    is that of the two periodic systems. Friction of the reference's own thermostat is in its D.

    Arguments:
        reference: bead frames of the reference, equally spaced in time.
        target, coarse: g of the reference and of a simulation of the model.
        model, start, temperature: the model, an equilibrated frame of it, and K.
        steps, threads, seed: of the simulation of its motion, 0.004 ps a step.
    """
    stiff = compressibility_loss(target, coarse)
    try:
        interval = float(reference.time[1] - reference.time[0]) if len(reference) > 1 else 0.0
        window = (2.0 * interval, 10.0 * interval)
        fine = einstein(reference, start=window[0], end=window[1])
        if steps * 0.004 * 0.4 < window[1]:
            raise ValueError(f"{steps} steps are too few for a window up to {window[1]:g} ps")
        beads = bead_diffusion(
            model, start, temperature, start_time=window[0], end_time=window[1], steps=steps, threads=threads, seed=seed
        )
        return Unseen(stiff, diffusion_loss(fine, beads), speedup(fine, beads))
    except ValueError as error:
        return Unseen(stiff, None, None, str(error))


_FRAMES = 200  # enough for an error of half a per cent; the neighbours of every bead are searched in each


def lost_orientation(
    topology: Path, trajectory: Path, mapping: MappingConfig, options: dict[str, Any]
) -> tuple[Loss | None, str]:
    """What a bead without a direction forgets of its molecule's orientation, nats a bead: at least so much.

        S_map / N >= ln(4 pi) - h,      h: bound on the entropy of the direction given the beads

    for the direction normal to the plane of the bead's first three atoms, seen from its two nearest neighbours
    (`mapping_entropy.orientation_entropy_bound`); of at most 200 frames, evenly spread. The theorem lost >= 0 holds
    because no direction has more entropy than a free one.

    ``topology``, ``trajectory``, ``options``: as for `reading.open_trajectory`. Returns the `Loss`, or None and why
    there is none: beads of one or two atoms, of unlike numbers of atoms, or too few frames.
    """
    source = open_trajectory(topology, trajectory, masses=mapping.masses, **options)
    beads = Mapping.build(mapping, source)
    rows = beads.map.membership.tocsr()
    sizes = np.diff(rows.indptr)
    if sizes.min() < 3:
        return None, "beads of one or two atoms have no plane, whose direction could be lost"
    every = max(1, source.n_frames // _FRAMES)
    first = np.stack([np.sort(rows.indices[a:b])[:3] for a, b in zip(rows.indptr, rows.indptr[1:], strict=False)])
    parts = []
    for number, chunk in enumerate(source.chunks(1, velocities=False, forces=False)):
        if number % every:
            continue
        atoms, box = np.asarray(chunk.positions[:, first], dtype=np.float64), chunk.box[:, None, :]
        one, two = (atoms[:, :, k] - atoms[:, :, 0] for k in (1, 2))
        normal = np.cross(one - box * np.round(one / box), two - box * np.round(two / box))
        length = np.linalg.norm(normal, axis=2, keepdims=True)
        if not np.all(length > 1e-6):
            return None, "the first three atoms of a bead lie on a line: no plane, whose direction could be lost"
        parts.append(np.einsum("fnij,fnj->fni", neighbour_axes(beads.apply(chunk)), normal / length))
    if len(parts) < 8:
        return None, f"{len(parts)} frames are too few to judge directions by; eight are the least"
    left = orientation_entropy_bound(np.concatenate(parts))
    free = Estimate.exact(float(np.log(4.0 * np.pi)), "nat")
    lost = replace(left, value=free.value - left.value)
    return Loss(
        "orientation", free, left, lost, "nat", theorem="lost >= 0", conditions="at least so much, a bead",
        theorem_text="a direction has no more entropy than a free one; the beads forget at least what binds it to them",
    ), ""  # fmt: skip
