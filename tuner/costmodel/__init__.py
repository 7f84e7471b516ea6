"""The cost model: predicts which of several candidates is faster."""
