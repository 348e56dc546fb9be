"""Convert checkpoints released by the authors of MiniMoE to folders that load as this project's students do."""
