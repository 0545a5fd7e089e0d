"""What a process costs and what else the machine was doing, read from the kernel."""
