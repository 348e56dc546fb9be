"""Build training examples from a corpus: dump → documents → sentences → records."""
