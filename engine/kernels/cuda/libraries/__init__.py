"""NVIDIA's libraries: which are installed, and what is asked of each."""
