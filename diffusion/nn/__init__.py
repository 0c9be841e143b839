"""Networks: one backbone for every paper, so that a comparison compares the process."""
