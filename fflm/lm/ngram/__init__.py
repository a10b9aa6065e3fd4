"""n-gram models: counted, smoothed, looked up, and as ARPA files."""
