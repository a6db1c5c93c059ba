"""A driven cycle of three states, two of them lumped: its entropy production is hidden, and what still bounds it."""

# --8<-- [start:body]
from kadanoff.dynamics import ResolvedTransitions, StateLumps, hidden_dissipation, ring, simulate_jumps
from kadanoff.maps import Map

rates = ring(3, forward=2.0, backward=1.0)  # A -> B -> C -> A
lumped = StateLumps(Map.groups([0, 1, 1]))  # who sees A alone, B and C together
edge = ResolvedTransitions(((0, 1),))  # who sees the jumps A <-> B and the times between them

exact = hidden_dissipation(rates, lumped)
print(f"total {exact.total} = (k+ - k-) ln(k+/k-)")
print(f"from the flows between lumps {exact['apparent']}, from the spread of dwell times {exact['dwell_bound.1']}")
print(f"from the resolved jumps {hidden_dissipation(rates, edge)['transition_based']}: all of it, there is one cycle")

path = simulate_jumps(rates, jumps=500_000, seed=2)  # or your own: Jumps(states, dwells)
for observer in (lumped, edge):
    seen = hidden_dissipation(path, observer)
    print(f"{seen.observer}: best bound {seen.best.name} = {seen.best.estimate}")
# --8<-- [end:body]
