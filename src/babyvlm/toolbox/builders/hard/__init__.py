"""Hard variants: items built so that matching pixels, or adding up areas, falls to chance."""
