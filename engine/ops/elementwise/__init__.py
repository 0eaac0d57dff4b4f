"""What is computed on each element: operands broadcast, dtypes promoted."""
