"""Files that are written completely or not at all, and arrays with a description."""
