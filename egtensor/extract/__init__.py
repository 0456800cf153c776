"""From a saturated e-graph to the cheapest programs."""
