"""Surface detail from shading and symmetry."""
