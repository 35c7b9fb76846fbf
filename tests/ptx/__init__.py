"""A PTX interpreter: runs what `nvcc -ptx` emitted, bit for bit, and reports misuse of memory."""
