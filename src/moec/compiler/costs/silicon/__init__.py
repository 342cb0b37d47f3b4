"""The cost model `silicon`: kernel times that the package aiconfigurator-core carries, moved between shapes by the roofline."""
