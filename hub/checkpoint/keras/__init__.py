"""Keras: weights in HDF5 files, and the .keras archives around one."""
