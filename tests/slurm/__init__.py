"""Sweeps on a real Slurm cluster of emulated nodes on this machine."""
