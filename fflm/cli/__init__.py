"""The command `fflm`: one verb a file: arguments to configuration, one call of `fflm.api`, print."""
