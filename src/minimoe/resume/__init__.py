"""Resume interrupted stages: work folders, checkpoints, resumable output files."""
