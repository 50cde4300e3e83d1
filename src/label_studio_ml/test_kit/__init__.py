"""Checks of a user's model class without Label Studio: `label-studio-ml test DIR`, and the pytest plugin.

`driver` runs child processes that load the class as the server does (`child`), and returns a `report`.
"""
