"""Who may ask: security schemes, logins by OpenID Connect, tokens, keys, passwords, sessions."""
