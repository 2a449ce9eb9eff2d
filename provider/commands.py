"""The commands of `provider`."""
