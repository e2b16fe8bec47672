"""App manifests: what an app consists of, read from `shem.yaml` and checked to the character.

Knows files and text. Knows nothing of builds, brokers and components.
"""
