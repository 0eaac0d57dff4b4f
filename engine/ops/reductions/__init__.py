"""Many elements to one, in order, or one after the other: reductions, orders, scans."""
