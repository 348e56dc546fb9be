"""Run the pipeline: `dvc repro` with cells in parallel, repair of DVC's own files, profiles."""
