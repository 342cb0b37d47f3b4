"""One iteration as operations on ranks."""
