"""Products, factorizations and equations of matrices."""
