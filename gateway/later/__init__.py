"""Requests that are answered later: accepted durably, run by whichever gateway lives."""
