"""HTTP as guests see it: fields, messages, bodies, and exchanges that survive a crash."""
