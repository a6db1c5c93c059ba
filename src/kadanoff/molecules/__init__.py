"""From trajectories to bead models, and what they lose.

One idea, one module: `reading`, `mapping`, `pair_distributions`, `structure`, `boltzmann`, `integral_equations`,
`iteration`,
`force_matching`, `potentials`, `tables`, `engines`, `comparison`, `studies`. Import what you need from them; nothing
heavy is
loaded before.
"""
