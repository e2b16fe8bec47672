"""WIT text: parsing, resolving to types and worlds, printing.

`parse` gives the tree of one file and `print_file` its text; `resolve` and `load` give worlds and
interfaces with all names looked up; `world_text` writes a world that was read from a component.
"""
