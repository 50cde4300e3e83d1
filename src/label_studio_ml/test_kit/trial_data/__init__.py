"""What the checks try besides sample tasks: bad values, odd files, contexts of clicks."""
