"""What user code can import: its folders on `sys.path`, and aliases for packages of older releases."""
