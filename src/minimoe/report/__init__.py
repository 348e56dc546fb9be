"""Report the results of all runs: costs, tables, figures and the page."""
