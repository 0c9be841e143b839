"""Ways of steering: the common port, and later the papers' own."""
