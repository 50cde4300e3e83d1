"""The version store on this machine: a folder for each version, committed by its manifest."""
