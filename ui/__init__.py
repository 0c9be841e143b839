"""The app and the command line. Nothing here samples: the studio starts runs, pictures are drawn from frames."""

VERSION = "0.1.0"
