"""The view Projects: the connected projects, what Label Studio says about each, and forgetting them."""
