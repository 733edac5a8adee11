"""The parts of scripts/compat."""
