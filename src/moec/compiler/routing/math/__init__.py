"""The probabilities behind routing: races, inclusion, moments, maxima."""
