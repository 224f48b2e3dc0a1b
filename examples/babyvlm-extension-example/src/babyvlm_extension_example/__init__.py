"""One extension of each kind for babyvlm; ``pyproject.toml`` connects them."""
