"""Tests with transformers: its own saved checkpoints, and that it loads ours."""
