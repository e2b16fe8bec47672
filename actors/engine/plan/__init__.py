"""From a component's definitions to a flat list of what instantiating it takes.

Instantiation of components is static, so the tree of nested components is evaluated once. Pure.
"""
