"""The studies of dynamics, one file a recipe."""
