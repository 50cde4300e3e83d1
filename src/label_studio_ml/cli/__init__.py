"""The command `label-studio-ml`: a module for each subcommand, imported only when that subcommand is called."""
