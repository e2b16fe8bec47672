"""The standard WASI 0.2 interfaces, one file for each, tiny ones of a package together."""
