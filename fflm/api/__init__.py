"""What `import fflm` offers, one file a name."""
