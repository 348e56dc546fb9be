"""What all training shares: precision, learning rate, random draws, several processes, the state in a checkpoint."""
