"""The interfaces of Golem that guests import, one file each."""
