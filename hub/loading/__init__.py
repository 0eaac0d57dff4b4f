"""From verified files to a model: the contract, the report, files of changes, pipelines, parity."""
