"""Free energy, central charge and scaling dimensions of a lattice model from its pair weights, by tensors."""

# --8<-- [start:body]
import numpy as np

from kadanoff.lattices import fixed_point, infinite_log_partition, pair_tensor, renormalise

spin = np.array([-1.0, 1.0])
for temperature in (2.0, 2.269185314213022, 2.6):
    weights = np.exp(np.outer(spin, spin) / temperature)  # or any (q, q) table of your own
    flow = renormalise(pair_tensor(weights, reflection=[1, 0]), 20, steps=24)
    point = fixed_point(flow, tolerance=0.01)
    exact = infinite_log_partition(1 / temperature)
    print(f"T = {temperature:.4f}: ln Z per spin {flow.log_partition:.8f} nats, exact {exact:.8f}")
    print(f"   {point.text}")
    if (plateau := point.plateau) is not None:
        print(f"   central charge {flow.central_charge[plateau.first : plateau.last + 1].mean():.4f}")
# --8<-- [end:body]
