"""Every number of the documentation and the app comes from here."""
