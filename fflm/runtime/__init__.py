"""What the process is: cores, workers, Ctrl-C, progress. Nothing here is about language."""
