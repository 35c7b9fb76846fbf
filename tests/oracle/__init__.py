"""An independent numpy model of docs/numerics.md and of the generator: what the program must reproduce bit for bit."""
