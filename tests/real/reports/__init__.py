"""Cases of public bug reports, in our own words; each names its input and the answer that its sender expects."""
