"""NumPy's own generators as independent twins of the kernels' ones."""

import numpy as np


def numpys_sfc64(state):
    """numpy's sfc64 generator in a state of ours."""
    generator = np.random.SFC64()
    told = generator.state
    told["state"]["state"] = np.array(state, np.uint64)
    generator.state = told
    return generator
