"""What every paper shares: vocabulary, labels, beliefs, the sampling loop, traces and checkpoints."""
