"""What several tests share: import rules, package lists, and an app started as a user would start it."""
