"""What the runs say: costs, tables, figures and the page."""
