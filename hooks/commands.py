"""The commands of `hooks`."""
