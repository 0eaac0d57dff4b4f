"""What runs over the steps of a sequence."""
