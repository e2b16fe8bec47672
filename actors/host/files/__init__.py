"""The private files of a worker: a tree in memory, its larger contents on disk.

A worker's files are part of its state, like its linear memory: they begin as the component's
initial files, and replaying the worker writes them again. So everything here is deterministic:
names are listed in order, node numbers count up, times are those of the worker's log. No path of
the host is ever involved, hence no path, link or race of a guest can lead out.
"""
