"""The studies of lattices, one file a recipe."""
