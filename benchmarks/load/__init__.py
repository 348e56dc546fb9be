"""How time, memory and disk grow with size; `make load`."""
