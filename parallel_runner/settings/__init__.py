"""What the user set: one schema, loaded from files, environment and flags."""
