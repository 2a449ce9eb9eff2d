"""The commands of `dashboard`."""
