"""One assessment: data, oracles, models, samples, and what is said of them."""
