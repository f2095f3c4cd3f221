"""Ask a solver for points, train each within its budget, and keep every result on record."""
