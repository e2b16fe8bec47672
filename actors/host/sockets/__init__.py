"""Connections and datagrams of workers that may use the network."""
