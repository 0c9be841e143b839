"""Probes: small networks that read beliefs, or noisy vectors, for controllers."""
