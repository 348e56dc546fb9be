"""What lets a stage that was interrupted go on: work folders, checkpoints, resumable output files."""
