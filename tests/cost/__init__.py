"""What the program costs, in counts that hold on every machine: instructions and system calls."""
