"""What guests import: one file per WIT interface, one table of all functions with their kinds."""
