"""Connect a backend with a Label Studio project: its entry there, its webhook, and test calls in both directions."""
