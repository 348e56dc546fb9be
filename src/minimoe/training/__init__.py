"""What training on one or several processes shares: draws and collective operations."""
