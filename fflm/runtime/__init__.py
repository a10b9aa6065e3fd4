"""What a program needs of its process: cores, workers, Ctrl-C, progress. Nothing here is about language."""
