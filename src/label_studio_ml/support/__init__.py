"""Argument checks and text formatting that all packages use."""
