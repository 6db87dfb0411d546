"""Cases of public bug reports, told in our own words; each says what it sends and what its sender expects."""
