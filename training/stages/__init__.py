"""LD4LG is trained in stages; this is what its first ones need."""
