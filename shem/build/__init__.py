"""Building the components of an app: from sources in any language to components ready to upload.

Knows files and programs. Knows nothing of brokers.
"""
