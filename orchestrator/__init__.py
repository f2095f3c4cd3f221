"""Ask a solver for candidates, train each within its budget, and record every result."""
