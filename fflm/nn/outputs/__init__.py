"""Output layers: what training minimises and what evaluation reports."""
