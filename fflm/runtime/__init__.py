"""The process: its cores, workers, Ctrl-C and progress on stderr. Nothing here is about language."""
