"""The measurements of aggregated serving that aiconfigurator-core carries, replayed with `costs = silicon(…)`."""
