"""The studies of molecules, one file a recipe."""
