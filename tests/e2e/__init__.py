"""End-to-end tests: the program itself, on checkpoints written by the safetensors library."""
