"""ASTRA-sim's configuration files, read as it reads them and written for it."""
