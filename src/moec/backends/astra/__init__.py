"""Everything about ASTRA-sim: its files, its networks, its workload layer, its traps, its binary."""
