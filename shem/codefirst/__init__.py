"""Components written as Python classes: their WIT, and what connects the class to it.

`python -m shem.codefirst FILE …` imports the user's module in a process of its own.
"""
