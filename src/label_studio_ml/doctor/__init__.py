"""Looking at each link between a backend and Label Studio, and naming what mends it."""
