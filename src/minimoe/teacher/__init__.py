"""The teacher and its tokenizer: from the hub, from a folder, or trained here."""
