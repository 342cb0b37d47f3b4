"""The trace files of all ranks as programs that a replay can run."""
