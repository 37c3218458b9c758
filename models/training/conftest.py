"""Makes the package importable from tests."""
