"""Training examples read: the records' files as a data set, their order, masking."""
