"""What RDLM needs: the geometry of spheres, and its bridge process."""
