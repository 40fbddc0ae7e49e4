"""How good the whole product is: what ``python -m benchmarks.quality`` measures, table by table."""
