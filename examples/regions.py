"""Six nodes become two regions and a rest: every connection is still there, who talks to whom inside is not."""

# --8<-- [start:body]
import numpy as np

from kadanoff.maps import Map
from kadanoff.networks import divergence, reconstruction

synapses = np.array([
    [0, 9, 1, 0, 1, 0],
    [7, 0, 2, 1, 0, 0],
    [1, 3, 0, 8, 0, 1],
    [0, 1, 6, 0, 2, 0],
    [0, 1, 0, 3, 0, 1],
    [1, 0, 0, 0, 1, 0],
])  # fmt: skip
regions = Map.groups([0, 0, 1, 1, 1, -1], unassigned="keep")  # the last node is in no region

print(regions.flow(synapses))  # between the two regions, and the rest
print(f"connections: {synapses.sum()} before, {regions.flow(synapses).sum():.0f} after")
print(f"forgotten: {divergence(synapses, reconstruction(synapses, regions)):.3f} nats for each connection")
# --8<-- [end:body]
