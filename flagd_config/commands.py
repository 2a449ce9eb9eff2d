"""The commands of `flagd_config`."""
