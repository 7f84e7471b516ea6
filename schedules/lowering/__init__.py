"""How TVM finds the schedules: legalization, the late scheduling pass, targets, the pipeline."""
