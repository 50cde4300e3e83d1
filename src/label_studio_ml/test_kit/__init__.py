"""Checks of a user's model class without Label Studio: `label-studio-ml test DIR`, and the pytest plugin.

`class_check` runs child processes (`child_runner`) that load the class as the server does (`child`), and returns a
`report`.
"""
