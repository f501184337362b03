"""The kernels in NumPy: the same names, arguments and answers as the compiled ones."""
