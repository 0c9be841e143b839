"""Pictures of runs: pure functions of frames."""
