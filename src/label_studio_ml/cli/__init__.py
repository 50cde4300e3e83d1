"""The command `label-studio-ml`: one module per subcommand, each imported when it is called."""
