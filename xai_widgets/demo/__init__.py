"""The demonstration: image sets, networks, and how both were made."""
