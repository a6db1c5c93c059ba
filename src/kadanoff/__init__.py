"""Zoom out of any system, and know what you lost."""

__version__ = "0.1.0"
