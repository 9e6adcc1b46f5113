"""A seeded fuzz: thousands of mutated extracts go from landing to features, and are counted independently."""
