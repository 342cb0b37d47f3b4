"""`profile(…)`: kernel times from the profile bundles of LLMServingSim 2.0."""
