"""The tabs of the app: one file each."""
