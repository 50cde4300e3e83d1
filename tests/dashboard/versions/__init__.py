"""Tests of the dashboard's views of versions."""
