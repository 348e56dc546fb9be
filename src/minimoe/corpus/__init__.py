"""The corpus: a dump becomes documents, documents sentences, and sentences records."""
