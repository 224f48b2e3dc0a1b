"""What the statistics of `benchmarks/construction.py` are measured with."""
