"""Layers: one layer, one file."""
