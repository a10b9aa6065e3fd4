"""Files: written whole or not at all; arrays with a description."""
