"""The HTTP edge. Holds nothing yet: its place in the order of imports is kept by the contracts."""
