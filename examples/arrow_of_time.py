"""A fluid that expands, is turned round and comes back to the last bit, unless one bit is changed at the turn."""

# --8<-- [start:body]
import numpy as np

from kadanoff.dynamics import (
    advance_fluid,
    echo,
    expanding_fluid,
    flip_bit,
    fluid_places,
    occupation_entropy,
    reversed_fluid,
)


def back(fluid, steps):
    return reversed_fluid(advance_fluid(reversed_fluid(fluid), steps))


def entropy(fluid):
    """Coarse entropy per particle of who sees only in which quarter of the box each particle is."""
    quarter = (4 * fluid_places(fluid)[:, 0] / fluid.edge).astype(int)
    return occupation_entropy(np.bincount(quarter, minlength=4))


start = expanding_fluid(particles=64, density=0.2, temperature=2.0, share=0.5, dimensions=2, seed=1)
plain = echo(start, advance_fluid, back, entropy, [2000] * 5)
spoiled = echo(start, advance_fluid, back, entropy, [2000] * 5, disturb=flip_bit)

print(f"coarse entropy: {plain.out[0]:.3f} at the start, {plain.out[-1]:.3f} at the turn, {plain.back[0]:.3f} after it")
print(f"back to the last bit: {plain.final.same_as(start)}")
print(f"with one bit of one coordinate changed at the turn: {spoiled.back[0]:.3f}, {spoiled.final.same_as(start)}")
# --8<-- [end:body]
