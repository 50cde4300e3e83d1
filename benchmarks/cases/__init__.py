"""One benchmark in each module; each has `KEY`, `TITLE` and `run(quick) -> Result`."""
