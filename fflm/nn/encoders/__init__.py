"""Encoders: what the network sees of a context, or of a text."""
