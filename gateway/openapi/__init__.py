"""OpenAPI 3.1: documents of what is deployed, and definitions from documents."""
