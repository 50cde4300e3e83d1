"""What user code does to its process: side effects, changed settings, and what calls leave behind."""
