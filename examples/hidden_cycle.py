"""A driven cycle of three states, two of them lumped: all of its entropy production is hidden, and we see where."""

# --8<-- [start:body]
from kadanoff.dynamics import ring, split
from kadanoff.maps import Map

rates = ring(3, forward=2.0, backward=1.0)  # A -> B -> C -> A
lumps = Map.groups([0, 1, 1])  # A alone, B and C together

parts = split(rates, lumps)
print(f"total {parts.total:.4f} nats per time = (k+ - k-) ln(k+/k-)")
print(f"seen by who knows only the lumps: {parts.apparent:.4f}")
print(f"hidden inside the lump {parts.inside:.4f}, in two ways that look like one {parts.mixed:.4f}")
# --8<-- [end:body]
